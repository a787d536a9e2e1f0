// Hive Gateway; DEDUPE is the published benchmark's setting, without it nothing is coalesced, subgraph requests neither.
import { defineConfig } from "@graphql-hive/gateway";

const dedupe = Boolean(process.env.DEDUPE);
export const gatewayConfig = defineConfig({
  inboundInflightRequestDeduplication: dedupe,
  ...(dedupe ? {} : { transportEntries: { "*.http": { options: { deduplicateInflightRequests: false } } } }),
});

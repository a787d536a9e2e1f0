// Hive Gateway with the Rust planner; DEDUPE as in hive-gateway.mjs.
import { defineConfig } from "@graphql-hive/gateway";
import { unifiedGraphHandler } from "@graphql-hive/router-runtime";

const dedupe = Boolean(process.env.DEDUPE);
export const gatewayConfig = defineConfig({
  unifiedGraphHandler,
  inboundInflightRequestDeduplication: dedupe,
  ...(dedupe ? {} : { transportEntries: { "*.http": { options: { deduplicateInflightRequests: false } } } }),
});

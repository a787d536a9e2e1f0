// Lines of JSON in: {supergraph, queries: [query, …]}. Lines out: {responses: [{data?, errors?}, …]}, answered by
// @apollo/gateway over the subgraphs that the supergraph names; {crash} where it doesn't load it.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const load = createRequire(process.cwd() + "/");
const { ApolloGateway } = load("@apollo/gateway");
const { parse, validate, getOperationAST } = load("graphql");
const silent = { debug() {}, info() {}, warn() {}, error() {} };

async function answer(gateway, schema, query, index) {
  const document = parse(query);
  const errors = validate(schema, document);
  if (errors.length) return { errors };
  const { data, errors: failed } = await gateway.executor({
    source: query,
    document,
    operation: getOperationAST(document),
    request: { query, variables: {} },
    queryHash: `query-${index}`,
    context: {},
    logger: silent,
    metrics: {},
    schema,
    overallCachePolicy: { restrict() {} },
  });
  return { data, errors: failed };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { supergraph, queries } = JSON.parse(line);
  let result;
  try {
    const gateway = new ApolloGateway({ supergraphSdl: supergraph, logger: silent });
    const { schema } = await gateway.load();
    const responses = [];
    for (const [index, query] of queries.entries()) responses.push(await answer(gateway, schema, query, index));
    await gateway.stop();
    result = { responses };
  } catch (error) {
    result = { crash: String(error?.message ?? error) };
  }
  process.stdout.write(JSON.stringify(result) + "\n");
}

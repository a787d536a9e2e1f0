// Lines of JSON in: {supergraph, sdl?, query}; the SDL comes with a supergraph's first operation. Lines out: {cpu, fetches} or {error}:
// CPU milliseconds of @apollo/query-planner for one plan. Reads packages from the folder it is started in.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const load = createRequire(process.cwd() + "/");
const { QueryPlanner } = load("@apollo/query-planner");
const { Supergraph, operationFromDocument } = load("@apollo/federation-internals");
const { parse } = load("graphql");
const graphs = new Map();

function graph(name, sdl) {
  if (!graphs.has(name)) {
    const supergraph = Supergraph.build(sdl);
    graphs.set(name, { schema: supergraph.apiSchema(), planner: new QueryPlanner(supergraph) });
  }
  return graphs.get(name);
}

function fetches(node) {
  if (!node) return 0;
  if (node.kind === "Fetch") return 1;
  return [node.node, node.ifClause, node.elseClause, ...(node.nodes ?? [])].reduce((sum, one) => sum + fetches(one), 0);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { supergraph, sdl, query } = JSON.parse(line);
  let answer;
  try {
    const { schema, planner } = graph(supergraph, sdl);
    const operation = operationFromDocument(schema, parse(query)); // what ours does before planning isn't measured either
    const before = process.cpuUsage();
    const plan = planner.buildQueryPlan(operation);
    const { user, system } = process.cpuUsage(before);
    answer = { cpu: (user + system) / 1000, fetches: fetches(plan.node) };
  } catch (error) {
    answer = { error: String(error?.message ?? error).slice(0, 500) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}

// Lines of JSON in: {composer: "apollo" | "guild", subgraphs: [{name, url, sdl}]}.
// Lines out: {ok, codes, messages, supergraph?, seconds, crash?}. Reads packages from the folder it lies in.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const load = createRequire(process.cwd() + "/");
const { parse } = load("graphql");
const composers = {};

function composer(name) {
  composers[name] ??= load(name === "apollo" ? "@apollo/composition" : "@theguild/federation-composition");
  return composers[name];
}

function compose(name, subgraphs) {
  const services = [];
  const errors = [];
  for (const { name: service, url, sdl } of subgraphs) {
    try {
      services.push({ name: service, url: url ?? undefined, typeDefs: parse(sdl) });
    } catch (error) {
      errors.push({ code: "INVALID_GRAPHQL", message: `[${service}] ${error.message}` });
    }
  }
  if (errors.length) return { errors };
  const result = composer(name).composeServices(services);
  if (result.errors?.length) {
    return { errors: result.errors.map((e) => ({ code: e.extensions?.code ?? "UNKNOWN", message: e.message })) };
  }
  return { errors: [], supergraph: result.supergraphSdl };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { composer: name, subgraphs } = JSON.parse(line);
  composer(name); // loading isn't measured
  const start = performance.now();
  const used = process.cpuUsage();
  let answer;
  try {
    const { errors, supergraph } = compose(name, subgraphs);
    answer = { ok: errors.length === 0, errors, supergraph };
  } catch (error) {
    answer = { ok: false, errors: [], crash: String(error?.message ?? error).slice(0, 2000) };
  }
  answer.seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(used);
  answer.cpu = (user + system) / 1e6;
  answer.peakMegabytes = process.resourceUsage().maxRSS / 1024;
  process.stdout.write(JSON.stringify(answer) + "\n");
}

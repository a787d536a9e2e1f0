// Mercurius' gateway, federation 1: it takes the subgraphs' SDLs, without the @link part, from a list of {name, url, schema}.
"use strict";
const { readFileSync } = require("node:fs");
const app = require("fastify")();

const services = JSON.parse(readFileSync(process.env.SUBGRAPHS, "utf8"));
app.register(require("@mercuriusjs/gateway"), {
  jit: 1,
  gateway: { services: services.map((service) => ({ ...service, mandatory: true })) },
});
app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) }).catch((error) => {
  console.error(error);
  process.exit(1);
});

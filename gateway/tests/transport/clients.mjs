// A query, a mutation and subscriptions by the clients that people use; prints what they got as JSON.
import { createClient as createSocketClient } from 'graphql-ws';
import { createClient as createEventClient } from 'graphql-sse';
import WebSocket from 'ws';

const url = process.argv[2];
const sockets = createSocketClient({
  url: url.replace('http', 'ws'),
  webSocketImpl: WebSocket,
  connectionParams: { token: 'ada' },
  retryAttempts: 0,
});
const events = createEventClient({ url, headers: { authorization: 'Bearer ada' }, retryAttempts: 0 });

async function all(client, query, variables) {
  const got = [];
  for await (const result of client.iterate({ query, variables })) got.push(result);
  return got;
}

const answer = {};
for (const [name, client] of Object.entries({ sockets, events })) {
  answer[name] = {
    query: await all(client, 'query($n: String!) { hello(name: $n) whoami }', { n: name }),
    mutation: await all(client, 'mutation { rename(name: "Ada") { name } }'),
    subscription: await all(client, 'subscription { users(times: 2) { id reviews { body } } }'),
    together: await Promise.all([3, 2, 1].map((to) => all(client, `subscription { count(to: ${to}, every: 0.01) }`))),
    invalid: await all(client, '{ nothing }').catch((error) => String(error?.message ?? JSON.stringify(error))),
  };
  client.dispose();
}
console.log(JSON.stringify(answer));

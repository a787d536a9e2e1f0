// graphql-sse in single connection mode, and subscriptions-transport-ws (`graphql-ws`), as npm has them.
import { createClient } from 'graphql-sse';
import { SubscriptionClient } from 'subscriptions-transport-ws';
import WebSocket from 'ws';

const url = process.argv[2];
const single = createClient({ url, singleConnection: true, headers: { authorization: 'Bearer ada' }, retryAttempts: 0 });
const legacy = new SubscriptionClient(
  url.replace('http', 'ws'),
  { connectionParams: { authorization: 'Bearer ada' }, reconnect: false },
  WebSocket,
);

const ways = {
  single: async (query, variables) => {
    const got = [];
    for await (const result of single.iterate({ query, variables })) {
      if (result.errors && !result.data) throw new Error(JSON.stringify(result.errors));
      got.push(result);
    }
    return got;
  },
  legacy: (query, variables) =>
    new Promise((resolve, reject) => {
      const got = [];
      legacy.request({ query, variables }).subscribe({
        next: (result) => got.push(result),
        error: (error) => reject(new Error(JSON.stringify(error) + error.message)),
        complete: () => resolve(got),
      });
    }),
};

const answer = {};
for (const [name, all] of Object.entries(ways)) {
  answer[name] = {
    query: await all('query($n: String!) { hello(name: $n) whoami }', { n: name }),
    subscription: await all('subscription { users(times: 2) { id reviews { body } } }'),
    together: await Promise.all([3, 2, 1].map((to) => all(`subscription { count(to: ${to}, every: 0.01) }`))),
    invalid: await all('{ nothing }').catch((error) => error.message),
  };
}
single.dispose();
legacy.close();
console.log(JSON.stringify(answer));

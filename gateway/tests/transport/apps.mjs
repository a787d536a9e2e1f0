// What apps use: Apollo Client that batches and uploads, urql, Relay; prints what they got as JSON.
import { ApolloClient, InMemoryCache, gql } from '@apollo/client/core/index.js';
import { BatchHttpLink } from '@apollo/client/link/batch-http/index.js';
import { Client, fetchExchange } from '@urql/core';
import createUploadLink from 'apollo-upload-client/createUploadLink.mjs';
import relay from 'relay-runtime';

const url = process.argv[2];
const answer = {};

let requests = 0;
const counting = (...parameters) => (requests++, fetch(...parameters));
const batching = new ApolloClient({
  cache: new InMemoryCache(),
  link: new BatchHttpLink({ uri: url, batchMax: 3, batchInterval: 20, fetch: counting }),
});
const queries = ['{ user { id name posts { text } } }', '{ posts { text author { name } } }', '{ user { id } }'];
const results = await Promise.all(queries.map((query) => batching.query({ query: gql(query), fetchPolicy: 'no-cache' })));
answer.batch = { requests, data: results.map((result) => result.data) };

const uploading = new ApolloClient({
  cache: new InMemoryCache(),
  link: createUploadLink({ uri: url, headers: { 'apollo-require-preflight': 'true' } }),
});
const file = new File(['x'.repeat(300_000)], 'photo.png', { type: 'image/png' });
const uploaded = await uploading.mutate({
  mutation: gql('mutation ($file: File!) { avatar(file: $file) }'),
  variables: { file },
});
answer.upload = uploaded.data;

const urql = new Client({ url, exchanges: [fetchExchange], fetchSubscriptions: true, preferGetMethod: false });
answer.urql = (await urql.query('{ user { name posts { text } } }', {}).toPromise()).data;
async function all(query) {
  const got = [];
  await new Promise((resolve) => {
    // Each ends by itself after three results; urql then gives the last one once more.
    urql.subscription(query, {}).subscribe((result) => {
      if (got.length < 3) got.push(result.error ? String(result.error) : result.data);
      else resolve();
    });
  });
  return got;
}
answer.yoga = await all('subscription { joined(count: 3) { id name posts { text } } }');
answer.apolloServer = await all('subscription { posted(count: 3) { text author { id name } } }');

const { Environment, Network, RecordSource, Store, fetchQuery } = relay;
const network = Network.create(async (operation, variables) => {
  const body = JSON.stringify({ query: operation.text, variables });
  return (await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json();
});
const field = (name, more = {}) => ({ alias: null, args: null, kind: 'ScalarField', name, storageKey: null, ...more });
const selections = [
  {
    alias: null, args: null, concreteType: 'User', kind: 'LinkedField', name: 'user', plural: false, storageKey: null,
    selections: [field('id'), field('name')],
  },
];
const query = {
  kind: 'Request',
  fragment: { argumentDefinitions: [], kind: 'Fragment', metadata: null, name: 'Q', selections, type: 'Query', abstractKey: null },
  operation: { argumentDefinitions: [], kind: 'Operation', name: 'Q', selections },
  params: { id: null, cacheID: 'q', metadata: {}, name: 'Q', operationKind: 'query', text: 'query Q { user { id name } }' },
};
const environment = new Environment({ network, store: new Store(new RecordSource()) });
answer.relay = await fetchQuery(environment, query, {}).toPromise();

batching.stop();
uploading.stop();
console.log(JSON.stringify(answer));

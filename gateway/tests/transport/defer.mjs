// What Apollo Client and urql make of deferred fragments: every state that they show, as JSON.
import apollo from '@apollo/client/core/core.cjs';
import { Client, fetchExchange } from '@urql/core';

const url = process.argv[2];
const query = '{ me { name ... @defer(label: "late") { reviews { body } } } hello }';

async function withApollo() {
  const { ApolloClient, HttpLink, InMemoryCache, gql } = apollo;
  const client = new ApolloClient({ link: new HttpLink({ uri: url }), cache: new InMemoryCache({ addTypename: false }) });
  const seen = [];
  await new Promise((resolve, reject) => {
    client.watchQuery({ query: gql(query), fetchPolicy: 'no-cache' }).subscribe({
      next: (result) => {
        seen.push(JSON.parse(JSON.stringify({ data: result.data, errors: result.errors })));
        if (result.data?.me?.reviews) resolve();
      },
      error: reject,
    });
  });
  client.stop();
  return seen;
}

async function withUrql() {
  const client = new Client({ url, exchanges: [fetchExchange], preferGetMethod: false });
  const seen = [];
  await new Promise((resolve, reject) => {
    client.query(query, {}).subscribe((result) => {
      if (result.error) reject(result.error);
      seen.push({ data: JSON.parse(JSON.stringify(result.data)), hasNext: result.hasNext });
      if (!result.hasNext) resolve();
    });
  });
  return seen;
}

console.log(JSON.stringify({ apollo: await withApollo(), urql: await withUrql() }));
process.exit(0);

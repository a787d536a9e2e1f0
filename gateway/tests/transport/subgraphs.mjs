// Two subgraphs as their servers are from npm: GraphQL Yoga, and Apollo Server with graphql-sse for subscriptions.
import { ApolloServer, HeaderMap } from '@apollo/server';
import { ApolloServerPluginInlineTraceDisabled } from '@apollo/server/plugin/disabled';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';
import { createHandler } from 'graphql-sse/lib/use/http';
import { createYoga } from 'graphql-yoga';
import { createServer } from 'node:http';

const link = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])';
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const users = buildSubgraphSchema({
  typeDefs: parse(`${link}
    scalar File
    type Query { user: User header(name: String!): String }
    type Mutation { avatar(file: File!): String }
    type Subscription { joined(count: Int!): User }
    type User @key(fields: "id") { id: ID! name: String! }`),
  resolvers: {
    Query: { user: () => ({ id: '1', name: 'Ada' }), header: (_, { name }, { request }) => request.headers.get(name) },
    Mutation: { avatar: async (_, { file }) => `${file.name} ${file.type} ${(await file.text()).length}` },
    Subscription: {
      joined: {
        subscribe: async function* (_, { count }) {
          for (let id = 1; id <= count; id++) {
            yield { joined: { id: String(id), name: `User ${id}` } };
            await sleep(5);
          }
        },
      },
    },
    User: { __resolveReference: ({ id }) => ({ id, name: `User ${id}` }) },
  },
});

const posts = buildSubgraphSchema({
  typeDefs: parse(`${link}
    type Query { posts: [Post!]! }
    type Subscription { posted(count: Int!): Post }
    type Post { text: String! author: User! }
    type User @key(fields: "id") { id: ID! posts: [Post!]! }`),
  resolvers: {
    Query: { posts: () => [{ text: 'hello', author: { id: '1' } }] },
    Subscription: {
      posted: {
        subscribe: async function* (_, { count }) {
          for (let n = 1; n <= count; n++) {
            yield { posted: { text: `post ${n}`, author: { id: String(n) } } };
            await sleep(5);
          }
        },
      },
    },
    User: { posts: ({ id }) => [{ text: `by ${id}`, author: { id } }] },
  },
});

const yoga = createYoga({ schema: users, graphqlEndpoint: '/graphql', logging: false });
const apollo = new ApolloServer({ schema: posts, plugins: [ApolloServerPluginInlineTraceDisabled()] });
await apollo.start();
const events = createHandler({ schema: posts });

async function serveApollo(request, response) {
  if ((request.headers.accept ?? '').startsWith('text/event-stream')) return events(request, response);
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(request.headers)) if (typeof value === 'string') headers.set(name, value);
  const answer = await apollo.executeHTTPGraphQLRequest({
    httpGraphQLRequest: {
      method: request.method,
      headers,
      search: '',
      body: JSON.parse(Buffer.concat(chunks).toString()),
    },
    context: async () => ({}),
  });
  response.writeHead(answer.status ?? 200, Object.fromEntries(answer.headers));
  response.end(answer.body.string);
}

const servers = { users: createServer(yoga), posts: createServer(serveApollo) };
const ports = {};
for (const [name, server] of Object.entries(servers)) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  ports[name] = server.address().port;
}
console.log(JSON.stringify(ports));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));

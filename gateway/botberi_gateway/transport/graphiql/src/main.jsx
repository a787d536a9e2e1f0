// The page: it talks to the endpoint that it is served at, queries by POST and subscriptions by graphql-transport-ws.
import 'graphiql/setup-workers/vite';
import React from 'react';
import { createRoot } from 'react-dom/client';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { createClient } from 'graphql-ws';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';

const setting = (name) => document.querySelector(`meta[name="graphiql-${name}"]`)?.content;
const endpoint = new URL(location.pathname, location.origin);
const socket = new URL(endpoint);
socket.protocol = socket.protocol.replace('http', 'ws');

// A socket has no headers of its own: those of the header editor travel in connection_init, and a change of them opens a new socket.
const clients = new Map();
function socketFor(headers) {
  const params = {};
  for (const [name, value] of Object.entries(headers ?? {})) params[name.toLowerCase()] = value;
  const key = JSON.stringify(params);
  if (!clients.has(key)) {
    for (const client of clients.values()) client.dispose();
    clients.clear();
    clients.set(key, createClient({ url: socket.href, lazy: true, connectionParams: params }));
  }
  return clients.get(key);
}
const overHttp = createGraphiQLFetcher({ url: endpoint.href });
function fetcher(params, options) {
  const definition = options?.documentAST?.definitions.find(
    (d) => d.kind === 'OperationDefinition' && (!params.operationName || d.name?.value === params.operationName),
  );
  if (definition?.operation !== 'subscription') return overHttp(params, options);
  return socketFor(options?.headers).iterate(params);
}

// `#query=…&variables=…` opens with that operation: a link of a manual. Behind the hash, so that no server or log sees it.
const linked = new URLSearchParams(location.hash.slice(1));

createRoot(document.getElementById('root')).render(
  <GraphiQL
    fetcher={fetcher}
    plugins={[HISTORY_PLUGIN, explorerPlugin()]}
    defaultQuery={setting('default-query') ?? '# Write a query; Ctrl-Space completes, Ctrl-Enter runs.\n{\n  __typename\n}\n'}
    initialQuery={linked.get('query') ?? undefined}
    initialVariables={linked.get('variables') || undefined}
    defaultEditorToolsVisibility
  />,
);

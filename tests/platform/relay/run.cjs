// A Relay environment against the platform: what its store holds of an account, an agent and an instance when they are loaded, and when their
// fragments were refetched by node id after somebody else changed them. Prints JSON.
//   node run.cjs '{"url": …, "user": token, "admin": token, "slug": an agent that the admin may change}'
const {
  Environment,
  Network,
  RecordSource,
  Store,
  commitMutation,
  createOperationDescriptor,
  fetchQuery,
  getRefetchMetadata,
  getSingularSelector,
} = require('relay-runtime');
const artifact = (name) => require(`./generated/${name}.graphql.js`);

const { url, user, admin, slug } = JSON.parse(process.argv[2]);
const sent = [];

async function post(token, query, variables) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  return answer.json();
}

// Somebody else's request: nothing of it reaches the store.
async function elsewhere(token, query, variables) {
  const answer = await post(token, query, variables);
  if (answer.errors) throw new Error(JSON.stringify(answer.errors));
  return answer.data;
}

const environment = new Environment({
  network: Network.create((request, variables) => {
    sent.push(request.name);
    return post(user, request.text, variables);
  }),
  store: new Store(new RecordSource()),
});

// A fragment as a component has it: its data in the store now, what the store said of it since, and how to refetch it.
function watched(name, reference) {
  const fragment = artifact(name);
  const selector = getSingularSelector(fragment, reference);
  const snapshot = environment.lookup(selector);
  const seen = [snapshot.data];
  environment.subscribe(snapshot, (next) => seen.push(next.data));
  const { refetchableRequest, identifierInfo } = getRefetchMetadata(fragment, 'run');
  return {
    seen,
    now: () => environment.lookup(selector).data,
    refetch: (variables) => {
      const id = { [identifierInfo.identifierQueryVariableName]: snapshot.data[identifierInfo.identifierField] };
      const all = { ...selector.variables, ...variables, ...id };
      return fetchQuery(environment, refetchableRequest, all, { fetchPolicy: 'network-only' }).toPromise();
    },
  };
}

function create(name) {
  const variables = { input: { agentSlug: 'text-insights', name, parameters: { texts: ['What a lovely day it is.'] } } };
  return new Promise((resolve, reject) =>
    commitMutation(environment, {
      mutation: artifact('appCreateMutation'),
      variables,
      onCompleted: (data, errors) => (errors ? reject(new Error(JSON.stringify(errors))) : resolve(data.createInstance.instance)),
      onError: reject,
    }),
  );
}

async function ended(id) {
  for (;;) {
    const { instance } = await elsewhere(user, 'query($id: ID!) { instance(id: $id) { isTerminal } }', { id });
    if (instance.isTerminal) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

(async () => {
  // Retained, as a component on the screen does it: the store collects what nobody retains.
  environment.retain(createOperationDescriptor(artifact('appPageQuery'), { slug }));
  const page = await fetchQuery(environment, artifact('appPageQuery'), { slug }).toPromise();
  const account = watched('app_account', page.me);
  const agent = watched('app_agent', page.agent);
  const instance = watched('app_instance', await create('of Relay'));
  const before = { account: account.now(), agent: agent.now(), instance: instance.now() };

  await create('another of Relay');
  await elsewhere(user, 'mutation { createApiKey(input: { name: "of Relay" }) { __typename } }');
  await elsewhere(
    admin,
    'mutation($id: ID!) { updateAgent(id: $id, input: { summary: "Changed meanwhile." }) { __typename ... on Error { message } } }',
    { id: agent.now().id },
  );
  await ended(instance.now().id);
  const unasked = { account: account.now(), agent: agent.now(), instance: instance.now() };

  await Promise.all([account.refetch(), agent.refetch(), instance.refetch()]);
  const after = { account: account.now(), agent: agent.now(), instance: instance.now() };
  // The next page of the connection, from the cursor of the first one.
  await account.refetch({ cursor: after.account.instances.pageInfo.endCursor });
  const paged = account.now();

  const notices = { account: account.seen.length, agent: agent.seen.length, instance: instance.seen.length };
  console.log(JSON.stringify({ before, unasked, after, paged, notices, sent }));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});

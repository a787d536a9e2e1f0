// What an application's components would say that they need. relay-compiler makes `generated/` of it, which run.cjs uses.
import { graphql } from 'relay-runtime';

export const account = graphql`
  fragment app_account on Account
  @refetchable(queryName: "appAccountRefetchQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 1 }, cursor: { type: "String" }) {
    id
    displayName
    apiKeys(first: 10) {
      nodes {
        name
      }
    }
    instances(first: $count, after: $cursor) @connection(key: "app_account_instances") {
      edges {
        node {
          id
        }
      }
    }
  }
`;

export const agent = graphql`
  fragment app_agent on Agent @refetchable(queryName: "appAgentRefetchQuery") {
    id
    summary
    publisher {
      displayName
    }
  }
`;

export const instance = graphql`
  fragment app_instance on Instance @refetchable(queryName: "appInstanceRefetchQuery") {
    id
    status
    result
    agent {
      name
    }
    owner {
      displayName
    }
  }
`;

export const page = graphql`
  query appPageQuery($slug: String!) {
    me {
      ...app_account
    }
    agent(slug: $slug) {
      ...app_agent
    }
  }
`;

export const create = graphql`
  mutation appCreateMutation($input: CreateInstanceInput!) {
    createInstance(input: $input) {
      __typename
      ... on CreateInstanceSuccess {
        instance {
          ...app_instance
        }
      }
      ... on Error {
        message
      }
    }
  }
`;

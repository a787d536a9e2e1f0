// Each page's few steps: forms -> mutations of /graphql -> a message. The session is a cookie that no script sees.

const page = document.querySelector("main").dataset.page;
const byId = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token");

const ERRORS = `__typename ... on Error { message } ... on ValidationError { fields { message } }`;

function say(text, isProblem = false) {
  const place = byId("message");
  place.textContent = text;
  place.classList.toggle("problem", isProblem);
}

async function ask(query, variables = {}) {
  const answer = await fetch("/graphql", {
    method: "POST",
    credentials: "same-origin",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await answer.json();
  if (errors) throw new Error(errors[0].message);
  return data;
}

// A mutation with its variables' types -> its success; every other answer is an error with words for the person.
async function act(field, types, variables, selection = "") {
  const declared = Object.entries(types).map(([name, type]) => `$${name}: ${type}`).join(", ");
  const given = Object.keys(types).map((name) => `${name}: $${name}`).join(", ");
  const head = declared ? `mutation (${declared})` : "mutation";
  const call = given ? `${field}(${given})` : field;
  const answer = (await ask(`${head} { ${call} { ${ERRORS} ${selection} } }`, variables))[field];
  if (answer.__typename.endsWith("Error")) {
    const problem = new Error((answer.fields ?? []).map((each) => each.message).join(" ") || answer.message);
    problem.kind = answer.__typename;
    throw problem;
  }
  return answer;
}

function on(id, work) {
  const form = byId(id);
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      await work(Object.fromEntries(new FormData(form)));
    } catch (problem) {
      say(problem.message, true);
    } finally {
      button.disabled = false;
    }
  });
}

const LOGIN = "... on LoginSuccess { account { displayName } }";
let challenge = null;

function signedIn(login) {
  if (login.__typename === "SecondFactorRequired") {
    challenge = login.challenge;
    byId("password-form")?.setAttribute("hidden", "");
    byId("code-form").hidden = false;
    say("Your account asks for a code.");
    return;
  }
  say(`You are signed in, ${login.account.displayName}.`);
  byId("code-form")?.setAttribute("hidden", "");
}

on("code-form", async ({ code }) => {
  const input = { challenge, code };
  signedIn(await act("completeLogin", { input: "CompleteLoginInput!" }, { input }, LOGIN));
});

async function passkeyAnswer() {
  const made = await act("beginPasskeyLogin", {}, {}, "... on PasskeyCeremony { challenge options }");
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(made.options);
  const credential = await navigator.credentials.get({ publicKey });
  return { challenge: made.challenge, credential: credential.toJSON() };
}

const pages = {
  async login() {
    on("password-form", async (input) => {
      const selection = `${LOGIN} ... on SecondFactorRequired { challenge }`;
      signedIn(await act("login", { input: "LoginInput!" }, { input }, selection));
    });
    byId("passkey-login").addEventListener("click", async () => {
      try {
        const input = await passkeyAnswer();
        signedIn(await act("loginWithPasskey", { input: "LoginWithPasskeyInput!" }, { input }, LOGIN));
      } catch (problem) {
        say(problem.message, true);
      }
    });
    const { providers } = await ask("{ providers { id name } }");
    for (const { id, name } of providers) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `Sign in with ${name}`;
      button.addEventListener("click", async () => {
        try {
          const selection = "... on BeginProviderLoginSuccess { authorizationUrl flow }";
          const input = { provider: id };
          const made = await act("beginProviderLogin", { input: "BeginProviderLoginInput!" }, { input }, selection);
          // Only the browser that began can end it: the way back brings the provider's part alone.
          sessionStorage.setItem("flow", made.flow);
          location.assign(made.authorizationUrl);
        } catch (problem) {
          say(problem.message, true);
        }
      });
      byId("providers").append(button);
    }
  },

  async register() {
    on("register-form", async (form) => {
      const input = { ...form, invitation: token, language: navigator.language.slice(0, 2).toLowerCase() };
      const made = await act("register", { input: "RegisterInput!" }, { input }, "... on RegisterSuccess { account { id } }");
      say(made.account ? "The account is made. You can sign in." : "A mail with a link is on its way: open it to go on.");
      byId("register-form").hidden = true;
    });
  },

  async verify() {
    if (!token) say("Open the link of the mail to come here.", true);
    on("verify-form", async () => {
      await act("verifyEmail", { token: "String!" }, { token: token ?? "" });
      say("The address is confirmed.");
      byId("verify-form").hidden = true;
      byId("then").hidden = false;
    });
  },

  async reset() {
    byId(token ? "reset-form" : "request-form").hidden = false;
    on("request-form", async ({ email }) => {
      const selection = "... on RequestPasswordResetSuccess { message }";
      say((await act("requestPasswordReset", { email: "String!" }, { email }, selection)).message);
    });
    on("reset-form", async ({ password }) => {
      const input = { token, newPassword: password };
      await act("resetPassword", { input: "ResetPasswordInput!" }, { input });
      say("The password is changed, and all your sessions have ended.");
      byId("reset-form").hidden = true;
      byId("then").hidden = false;
    });
  },

  async passkeys() {
    // What is done again once the person has proved that it is they.
    let again = null;
    const proving = async (work) => {
      try {
        await work();
      } catch (problem) {
        if (problem.kind !== "ProofNeededError") throw problem;
        again = work;
        byId("proof-form").hidden = false;
        say("This needs your password once more.");
      }
    };
    const show = async () => {
      const { me } = await ask("{ me { passkeys { id name } } }");
      if (me === null) {
        say("Sign in first.", true);
        byId("then").hidden = false;
        return;
      }
      byId("own").hidden = false;
      byId("passkeys").replaceChildren(...me.passkeys.map(entry));
    };
    const entry = ({ id, name }) => {
      const item = document.createElement("li");
      const title = document.createElement("span");
      title.textContent = name;
      item.append(title);
      const button = (text, work) => {
        const made = document.createElement("button");
        made.type = "button";
        made.textContent = text;
        made.setAttribute("aria-label", `${text} ${name}`);
        made.addEventListener("click", () => proving(work).catch((problem) => say(problem.message, true)));
        item.append(made);
      };
      button("Rename", async () => {
        const chosen = prompt("Name", name);
        if (!chosen) return;
        await act("renamePasskey", { input: "RenamePasskeyInput!" }, { input: { id, name: chosen } });
        await show();
      });
      button("Remove", async () => {
        await act("removePasskey", { id: "ID!" }, { id });
        say("The passkey is removed.");
        await show();
      });
      return item;
    };
    on("add-form", ({ name }) =>
      proving(async () => {
        const made = await act("beginPasskey", {}, {}, "... on PasskeyCeremony { challenge options }");
        const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(made.options);
        const credential = await navigator.credentials.create({ publicKey });
        const input = { challenge: made.challenge, credential: credential.toJSON(), name };
        await act("addPasskey", { input: "AddPasskeyInput!" }, { input });
        say("The passkey is added.");
        byId("add-form").reset();
        await show();
      }),
    );
    on("proof-form", async ({ password, code }) => {
      await act("proveIdentity", { input: "ProveIdentityInput!" }, { input: { password, code: code || null } });
      byId("proof-form").reset();
      byId("proof-form").hidden = true;
      await again?.();
    });
    await show();
  },

  async provider() {
    const back = new URLSearchParams(location.search);
    const flow = sessionStorage.getItem("flow");
    sessionStorage.removeItem("flow");
    // The provider's part is good once, and no part of this page's history.
    history.replaceState(null, "", location.pathname);
    byId("then").hidden = false;
    if (back.get("error")) throw new Error("The provider did not sign you in.");
    if (!flow || !back.get("code")) throw new Error("This sign-in was not begun here. Begin again.");
    const input = { flow, code: back.get("code"), state: back.get("state") ?? "", issuer: back.get("iss") };
    const selection = `${LOGIN} ... on SecondFactorRequired { challenge } ... on ProviderLinked { account { displayName } }`;
    const login = await act("finishProviderLogin", { input: "FinishProviderLoginInput!" }, { input }, selection);
    byId("then").hidden = true;
    if (login.__typename === "ProviderLinked") say("From now on you can sign in with this provider.");
    else signedIn(login);
  },
};

// A link to the page that is open already changes what is behind the `#` alone.
addEventListener("hashchange", () => location.reload());
pages[page]().catch((problem) => say(problem.message, true));

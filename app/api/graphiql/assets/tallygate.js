// Boots GraphiQL under Tallygate's bar: which key requests bear, inside which organization, and the examples it opens on.
//
// The key lives in this page and in the tab's sessionStorage; it is never in localStorage and never in a URL.
"use strict";

(() => {
  const { React, ReactDOM, GraphiQL, GraphiQLPluginExplorer } = window;
  const byId = (id) => document.getElementById(id);
  const config = JSON.parse(byId("tallygate-config").textContent);
  const endpoint = location.pathname;

  const SESSION_KEY = "tallygate.credential";
  const KEY_NEEDED = "An API key is needed to run requests and to read the schema. Paste one into the field above.";
  const KEY_REFUSED = "This API key is not accepted. Check that it was copied whole, and that it was not revoked.";
  const NO_ANSWER = "The server does not answer. Check that it runs and that you are connected, then try again.";
  const ORGANIZATIONS = `query Organizations {
    viewer { name role organization { id } }
    organizations(first: 100) { nodes { id legalName mode } pageInfo { hasNextPage } }
  }`;

  // As in tallygate.css: the answer stands under the request, out of sight.
  const isNarrow = matchMedia("(max-width: 760px)");

  // { apiKey, organizationId } once a key was accepted, null before.
  let credential = null;
  let principal = "";
  let filledTimer = 0;
  let attempts = 0;

  // ---- asking ----------------------------------------------------------------------------------------------------

  // Answers { status, result }: result is the GraphQL answer, or an errors object of ours where there is none.
  async function post(body, apiKey, headers = {}) {
    const sent = new Headers({
      "Content-Type": "application/json",
      Accept: "application/graphql-response+json, application/json",
      Authorization: `Bearer ${apiKey}`,
    });
    for (const [name, value] of Object.entries(headers)) sent.set(name, String(value));
    let response;
    try {
      response = await fetch(endpoint, { method: "POST", headers: sent, body: JSON.stringify(body), cache: "no-store" });
    } catch {
      return { status: 0, result: { errors: [{ message: NO_ANSWER }] } };
    }
    const text = await response.text();
    try {
      return { status: response.status, result: JSON.parse(text) };
    } catch {
      const message = `The server answered ${response.status} with something that is not JSON.`;
      return { status: response.status, result: { errors: [{ message }] } };
    }
  }

  const isRefused = ({ status, result }) =>
    status === 401 || Boolean(result.errors?.some((error) => error.extensions?.code === "UNAUTHENTICATED"));

  // A new function for each key: GraphiQL reads the schema again whenever its fetcher changes.
  const fetcherFor = (apiKey) => async (params, options = {}) => {
    const organization = credential?.organizationId ? { "X-Organization-ID": credential.organizationId } : {};
    const answer = await post(params, apiKey, { ...organization, ...options.headers });
    if (isRefused(answer)) notify("error", KEY_REFUSED);
    else if (answer.status === 0) notify("error", NO_ANSWER);
    else notify(null);
    if (params.operationName !== "IntrospectionQuery") {
      fillIds(answer.result.data, isMutation(params, options));
      if (isNarrow.matches) document.querySelector(".graphiql-response").scrollIntoView({ behavior: "smooth" });
    }
    return answer.result;
  };

  const fetcherWithoutKey = (kind, message) => async () => {
    notify(kind, message);
    visibleKeyControl().focus();
    return { errors: [{ message }] };
  };

  // ---- the credential --------------------------------------------------------------------------------------------

  async function connect(apiKey, organizationId = null) {
    const attempt = (attempts += 1);
    setStatus("busy", "Connecting…");
    const answer = await post({ query: ORGANIZATIONS, operationName: "Organizations" }, apiKey);
    if (attempt !== attempts) return;
    if (isRefused(answer)) return disconnect("error", KEY_REFUSED, "Key refused");
    if (!("data" in answer.result)) return disconnect("error", messageOf(answer), "Not connected");

    // A credential that may not list organizations still works inside its own.
    const { viewer, organizations } = answer.result.data ?? {};
    const nodes = organizations?.nodes ?? [];
    const wanted = [organizationId, viewer?.organization.id].find((id) => nodes.some((node) => node.id === id));
    credential = { apiKey, organizationId: wanted ?? null };
    remember();
    showOrganizations(nodes, organizations?.pageInfo.hasNextPage);
    byId("forget").hidden = false;
    byId("connect").hidden = true;
    notify(null);
    principal = viewer ? `${viewer.name} · ${viewer.role}` : "Connected";
    setStatus("ready", principal);
    render(fetcherFor(apiKey));
  }

  function disconnect(kind, message, status) {
    attempts += 1;
    credential = null;
    remember();
    showOrganizations([], false);
    byId("forget").hidden = true;
    byId("connect").hidden = false;
    notify(kind, message);
    setStatus(kind === "error" ? "error" : "idle", status);
    render(fetcherWithoutKey(kind, message));
  }

  function remember() {
    if (credential) sessionStorage.setItem(SESSION_KEY, JSON.stringify(credential));
    else sessionStorage.removeItem(SESSION_KEY);
  }

  const messageOf = ({ status, result }) =>
    result.errors?.[0]?.message ?? `The server answered ${status} and gave no reason.`;

  // ---- the bar ---------------------------------------------------------------------------------------------------

  function setStatus(state, text) {
    byId("status").dataset.state = state;
    byId("status").textContent = text;
  }

  function sayFilled(names) {
    clearTimeout(filledTimer);
    setStatus("filled", `${names} filled in`);
    filledTimer = setTimeout(() => {
      if (byId("status").dataset.state === "filled") setStatus("ready", principal);
    }, 4000);
  }

  function notify(kind, message = "") {
    const notice = byId("notice");
    notice.hidden = kind === null;
    notice.dataset.kind = kind ?? "";
    if (notice.textContent !== message) notice.textContent = message;
  }

  function option(value, text, data = {}) {
    const made = new Option(text, value);
    Object.assign(made.dataset, data);
    return made;
  }

  function showOrganizations(nodes, hasMore) {
    const select = byId("organization");
    select.replaceChildren(...nodes.map((node) => option(node.id, node.legalName, { mode: node.mode })));
    if (hasMore) {
      const more = option("", "For others set X-Organization-ID under Headers");
      more.disabled = true;
      select.append(more);
    }
    select.value = credential?.organizationId ?? "";
    byId("organization-field").hidden = nodes.length === 0;
    showMode();
  }

  function showMode() {
    const mode = byId("organization").selectedOptions[0]?.dataset.mode;
    byId("mode").hidden = !mode;
    byId("mode").dataset.mode = mode ?? "";
    byId("mode").textContent = mode ?? "";
    byId("mode").title = mode === "LIVE" ? "Mutations change real billing data." : "A test organization: nothing here is real.";
  }

  const visibleKeyControl = () => (byId("key-field").hidden ? byId("demo-key") : byId("api-key"));

  function chooseDemoKey() {
    const apiKey = byId("demo-key").value;
    byId("key-field").hidden = apiKey !== "";
    if (apiKey !== "") return connect(apiKey);
    disconnect("info", KEY_NEEDED, "Not connected");
    byId("api-key").focus();
  }

  function wireBar() {
    byId("demo-field").hidden = config.demoKeys.length === 0;
    byId("demo-key").replaceChildren(
      ...config.demoKeys.map(({ apiKey, organizationName }) => option(apiKey, organizationName)),
      option("", "Another key…"),
    );
    byId("demo-key").addEventListener("change", chooseDemoKey);

    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const apiKey = byId("api-key").value.trim();
      if (apiKey) return connect(apiKey);
      disconnect("info", KEY_NEEDED, "Not connected");
      byId("api-key").focus();
    });
    byId("api-key").addEventListener("input", () => {
      byId("connect").hidden = byId("api-key").value.trim() === credential?.apiKey;
    });
    byId("forget").addEventListener("click", () => {
      byId("api-key").value = "";
      disconnect("info", KEY_NEEDED, "Key forgotten");
      byId("api-key").focus();
    });
    byId("organization").addEventListener("change", () => {
      credential.organizationId = byId("organization").value;
      remember();
      showMode();
    });
  }

  // ---- GraphiQL --------------------------------------------------------------------------------------------------

  // What GraphiQL keeps for the next visit is in localStorage, less the headers: somebody may have typed a key there.
  const STORE = "tallygate:";
  const TABS = ["graphiql:tabState", "graphiql:query", "graphiql:variables", "graphiql:operationName"];
  const WITH_HEADERS = ["graphiql:tabState", "graphiql:queries", "graphiql:favorites"];
  const withoutHeaders = (json) =>
    JSON.stringify(JSON.parse(json), (name, value) => (name === "headers" ? null : value));
  const storedKeys = () => Object.keys(localStorage).filter((key) => key.startsWith(STORE));
  const storage = {
    getItem: (key) => localStorage.getItem(STORE + key),
    setItem: (key, value) => localStorage.setItem(STORE + key, WITH_HEADERS.includes(key) ? withoutHeaders(value) : value),
    removeItem: (key) => localStorage.removeItem(STORE + key),
    clear: () => storedKeys().forEach((key) => localStorage.removeItem(key)),
    get length() {
      return storedKeys().length;
    },
  };

  function restoreExamples() {
    if (!confirm("Close all tabs and open the examples again, as they came?")) return;
    storage.setItem = () => {};
    TABS.forEach(storage.removeItem);
    location.reload();
  }

  let variableEditor = null;

  const isMutation = ({ operationName }, { documentAST }) =>
    Boolean(documentAST?.definitions.some(
      (definition) => definition.operation === "mutation" && (!operationName || definition.name?.value === operationName),
    ));

  // The examples go step by step: the id of the plan in an answer becomes the variable planId of the same tab, where
  // there is one. A mutation's answer replaces what stands there, a query's only fills what is empty.
  function fillIds(data, replace) {
    const variables = parsedObject(variableEditor?.getValue());
    const filled = Object.entries(idsIn(data)).filter(
      ([name, id]) => name in variables && variables[name] !== id && (replace || !variables[name]),
    );
    if (filled.length === 0) return;
    variableEditor.setValue(JSON.stringify({ ...variables, ...Object.fromEntries(filled) }, null, 2));
    sayFilled(filled.map(([name]) => name).join(", "));
  }

  function idsIn(value, ids = {}) {
    for (const [noun, child] of Object.entries(value ?? {})) {
      if (child === null || typeof child !== "object") continue;
      if (typeof child.id === "string") ids[`${noun}Id`] ??= child.id;
      idsIn(child, ids);
    }
    return ids;
  }

  function parsedObject(text) {
    try {
      return Object(JSON.parse(text));
    } catch {
      return {};
    }
  }

  // In an editor Tab indents; after Escape it leaves, so that the keyboard is never caught.
  function letTabLeaveAfterEscape(editor) {
    let leaves = false;
    editor.on("keydown", (_, event) => {
      if (event.key === "Tab") event.codemirrorIgnore = leaves;
      else if (event.key !== "Shift") leaves = event.key === "Escape";
    });
  }

  // Sits in GraphiQL's toolbar because only inside can its editors be had; shows nothing.
  function EditorAccess() {
    const editors = GraphiQL.React.useEditorContext({ nonNull: true });
    React.useEffect(() => { variableEditor = editors.variableEditor; }, [editors.variableEditor]);
    React.useEffect(() => { editors.queryEditor?.setOption("lineWrapping", true); }, [editors.queryEditor]);
    for (const name of ["queryEditor", "variableEditor", "headerEditor", "responseEditor"]) {
      React.useEffect(() => { if (editors[name]) letTabLeaveAfterEscape(editors[name]); }, [editors[name]]);
    }
    return null;
  }

  const root = ReactDOM.createRoot(byId("graphiql"));
  const h = React.createElement;
  const restore = h("button", { type: "button", className: "restore", onClick: restoreExamples }, "Restore examples");
  const constant = {
    defaultTabs: config.examples.map(({ query, variables }) => ({ query, variables })),
    defaultQuery: "# Ctrl-Space shows what can be asked here, Ctrl-Enter runs it.\n\n",
    defaultEditorToolsVisibility: "variables",
    inputValueDeprecation: true,
    schemaDescription: true,
    shouldPersistHeaders: false,
    storage,
    plugins: [GraphiQLPluginExplorer.explorerPlugin({ showAttribution: false })],
    toolbar: { additionalComponent: EditorAccess },
  };

  // Without a key the schema is null, and GraphiQL asks for none; undefined makes it ask.
  function render(fetcher) {
    const schema = credential ? undefined : null;
    document.body.classList.toggle("without-key", !credential);
    root.render(h(GraphiQL, { ...constant, fetcher, schema }, h(GraphiQL.Logo, null, restore)));
  }

  // ---- start -----------------------------------------------------------------------------------------------------

  function start() {
    wireBar();
    const stored = parsedObject(sessionStorage.getItem(SESSION_KEY));
    const apiKey = stored.apiKey ?? config.demoKeys[0]?.apiKey;
    const isDemoKey = config.demoKeys.some((demoKey) => demoKey.apiKey === apiKey);
    byId("demo-key").value = isDemoKey ? apiKey : "";
    byId("key-field").hidden = isDemoKey;
    disconnect("info", KEY_NEEDED, "Not connected");
    if (!apiKey) return byId("api-key").focus();
    if (!isDemoKey) byId("api-key").value = apiKey;
    notify(null);
    connect(apiKey, stored.organizationId);
  }

  start();
})();

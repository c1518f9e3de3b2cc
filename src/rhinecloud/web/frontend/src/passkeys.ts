// Passkeys: forms that ask the browser's authenticator (Web Authentication), between two questions to the server.
//
// <form data-passkey="create|get" data-options="address" data-answer="address"> with its words as data-cancelled,
// data-unsupported, data-failed, a button that is hidden until this runs, and a place [data-said] for what went wrong.

type Json = Record<string, any>;

class Told extends Error {
  constructor(
    words: string,
    readonly reason = "",
  ) {
    super(words);
  }
}

function bytes(text: string): ArrayBuffer {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0)).buffer;
}

function text(buffer: ArrayBuffer): string {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

async function ask(address: string, document: Json, form: HTMLFormElement): Promise<Json> {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(document),
  });
  const found: Json = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Told(found.error ?? form.dataset.failed ?? "", found.reason);
  return found;
}

function known(list: Json[] | undefined): PublicKeyCredentialDescriptor[] | undefined {
  return list?.map((one) => ({ ...one, type: "public-key", id: bytes(one.id) }));
}

async function create(options: Json): Promise<Json> {
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: known(options.excludeCredentials),
  } as PublicKeyCredentialCreationOptions;
  const made = (await navigator.credentials.create({ publicKey })) as PublicKeyCredential;
  const response = made.response as AuthenticatorAttestationResponse;
  return {
    id: made.id,
    rawId: text(made.rawId),
    type: made.type,
    response: {
      clientDataJSON: text(response.clientDataJSON),
      attestationObject: text(response.attestationObject),
      transports: response.getTransports?.() ?? [],
    },
  };
}

async function get(options: Json, more: CredentialRequestOptions): Promise<Json> {
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    allowCredentials: known(options.allowCredentials),
  } as PublicKeyCredentialRequestOptions;
  const found = (await navigator.credentials.get({ ...more, publicKey })) as PublicKeyCredential;
  const response = found.response as AuthenticatorAssertionResponse;
  return {
    id: found.id,
    rawId: text(found.rawId),
    type: found.type,
    response: {
      clientDataJSON: text(response.clientDataJSON),
      authenticatorData: text(response.authenticatorData),
      signature: text(response.signature),
      userHandle: response.userHandle ? text(response.userHandle) : null,
    },
  };
}

let offered: AbortController | null = null;

async function run(form: HTMLFormElement, more: CredentialRequestOptions = {}): Promise<void> {
  const fields = Object.fromEntries(new FormData(form));
  const options = await ask(form.dataset.options ?? "", fields, form);
  const credential = form.dataset.passkey === "create" ? await create(options) : await get(options, more);
  try {
    const answer = await ask(form.dataset.answer ?? "", { ...fields, credential }, form);
    location.assign(answer.next);
  } catch (error) {
    // What keeps passkeys may forget one that nobody knows here any more.
    const keeper = PublicKeyCredential as unknown as { signalUnknownCredential?: (known: Json) => Promise<void> };
    if (error instanceof Told && error.reason === "unknown") {
      await keeper.signalUnknownCredential?.({ rpId: options.rpId, credentialId: credential.id }).catch(() => {});
    }
    throw error;
  }
}

function say(form: HTMLFormElement, words: string): void {
  const place = form.querySelector<HTMLElement>("[data-said]");
  if (!place) return;
  place.hidden = !words;
  const line = place.querySelector(".kern-title") ?? place;
  line.textContent = words;
}

function words(form: HTMLFormElement, error: unknown): string {
  if (error instanceof Told) return error.message;
  // The authenticator has a passkey of this account already.
  if (error instanceof DOMException && error.name === "InvalidStateError") return form.dataset.already ?? "";
  if (error instanceof DOMException) return form.dataset.cancelled ?? "";
  return form.dataset.failed ?? "";
}

/** Where the browser can, it offers passkeys in the field that somebody begins to fill in. */
async function offer(form: HTMLFormElement): Promise<void> {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  offered = new AbortController();
  try {
    await run(form, { mediation: "conditional", signal: offered.signal });
  } catch (error) {
    if (!(error instanceof DOMException)) say(form, words(form, error));
  }
}

for (const form of document.querySelectorAll<HTMLFormElement>("form[data-passkey]")) {
  if (!window.PublicKeyCredential) {
    say(form, form.dataset.unsupported ?? "");
    continue;
  }
  const button = form.querySelector<HTMLButtonElement>("button[type=submit]");
  if (button) button.hidden = false;
  form.addEventListener("submit", async (submission) => {
    submission.preventDefault();
    if (form.ariaBusy === "true") return;
    offered?.abort();
    form.ariaBusy = "true";
    say(form, "");
    try {
      await run(form);
    } catch (error) {
      say(form, words(form, error));
    } finally {
      form.ariaBusy = "false";
    }
  });
  if ("offer" in form.dataset) void offer(form);
}
document.documentElement.dataset.passkeys = "";

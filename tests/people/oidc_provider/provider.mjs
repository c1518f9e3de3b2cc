// A certified OpenID provider with two clients, and with new keys at each start. What somebody types as their name is
// their id; after a plus sign stand their groups: `one+ops,admins`.
import { generateKeyPair, exportJWK } from "jose";
import Provider from "oidc-provider";

const [port, back, after] = process.argv.slice(2);
const { privateKey } = await generateKeyPair("ES256", { extractable: true });
const key = { ...(await exportJWK(privateKey)), kid: `key-${Date.now()}`, alg: "ES256", use: "sig" };
const client = (client_id, more) => ({
  client_id,
  redirect_uris: [back],
  post_logout_redirect_uris: [after],
  id_token_signed_response_alg: "ES256",
  ...more,
});
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    client("city", { client_secret: "a secret of the tests" }),
    client("public", { token_endpoint_auth_method: "none" }),
  ],
  jwks: { keys: [key] },
  cookies: { keys: ["a key of the tests"] },
  claims: { openid: ["sub"], profile: ["name", "groups"] },
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({ sub, name: `Name of ${sub.split("+")[0]}`, groups: (sub.split("+")[1] ?? "").split(",") }),
  }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));

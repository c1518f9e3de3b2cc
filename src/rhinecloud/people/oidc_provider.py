"""The city's identity provider, as an OpenID Connect client sees it: where it is, its keys, its answers, verified.

OpenID Connect Core 1.0 §3.1 (authorization code), with PKCE (RFC 7636) and the issuer in the answer (RFC 9207). What is
signed is judged by joserfc.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import time
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

_SKEW: Final = 60  # seconds that its clock and ours may differ
_KNOWN_FOR: Final = 3600.0  # seconds until its description is read again
_PATIENCE: Final = 10.0  # seconds
_LARGEST: Final = 1_000_000  # bytes of an answer
# Signatures that need no shared secret. `none` and HMAC are not among them.
_ALGORITHMS: Final = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
]


class ProviderFails(Exception):
    """The provider is away, or what it says cannot be taken; the text is for the log, and names no secret."""


class Provider:
    """One provider. `secret` is None for a public client."""

    def __init__(self, issuer: str, client_id: str, secret: str | None) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._secret = secret
        self._known: tuple[float, dict[str, Any]] | None = None
        self._keys: KeySet | None = None

    async def address(self, back: str, state: str, nonce: str, verifier: str, scope: str) -> str:
        """Where a browser is sent to sign in. Raises ProviderFails."""
        description = await self._description()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": back,
            "scope": scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return _with(_url(description, "authorization_endpoint"), asked)

    async def claims(
        self, code: str, back: str, nonce: str, verifier: str, wanted: str
    ) -> tuple[dict[str, Any], str]:
        """What the provider says of who signed in, and its ID token. `wanted` is a claim that is asked for at the
        userinfo endpoint if the ID token has it not. Raises ProviderFails."""
        description = await self._description()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "code_verifier": verifier,
            "client_id": self._client_id,
        }
        headers = {"Accept": "application/json"}
        if self._secret is not None:
            # Basic unless the provider names others only (Core §9, Discovery §3).
            methods = description.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
            if "client_secret_basic" in methods:
                pair = f"{quote(self._client_id, safe='')}:{quote(self._secret, safe='')}"
                headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
                del form["client_id"]
            else:
                form["client_secret"] = self._secret
        answer = await self._ask("POST", _url(description, "token_endpoint"), data=form, headers=headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderFails("the answer has no ID token")
        claims = await self._verified(token, nonce)
        if wanted not in claims and description.get("userinfo_endpoint") and answer.get("access_token"):
            bearer = {"Authorization": f"Bearer {answer['access_token']}", "Accept": "application/json"}
            more = await self._ask("GET", _url(description, "userinfo_endpoint"), headers=bearer)
            if more.get("sub") != claims["sub"]:  # Core §5.3.2
                raise ProviderFails("userinfo is about somebody else")
            claims = {**more, **claims}
        return claims, token

    async def takes_issuer(self) -> bool:
        """Whether the provider promises to name itself in its answers (RFC 9207 §2.4)."""
        return bool((await self._description()).get("authorization_response_iss_parameter_supported"))

    async def end(self, id_token: str, back: str) -> str | None:
        """Where a browser is sent to end the provider's session too (RP-Initiated Logout 1.0); None if nowhere."""
        description = await self._description()
        if not description.get("end_session_endpoint"):
            return None
        asked = {"id_token_hint": id_token, "client_id": self._client_id, "post_logout_redirect_uri": back}
        return _with(_url(description, "end_session_endpoint"), asked)

    async def _description(self) -> dict[str, Any]:
        if self._known is None or time.monotonic() > self._known[0]:
            found = await self._ask("GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self.issuer:  # Discovery §4.3
                raise ProviderFails(f"it calls itself {found.get('issuer')!r}, not {self.issuer!r}")
            self._known = (time.monotonic() + _KNOWN_FOR, found)
        return self._known[1]

    async def _verified(self, token: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token (Core §3.1.3.7)."""
        try:
            decoded = await self._decoded(token)
            registry = jwt.JWTClaimsRegistry(
                leeway=_SKEW,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": self._client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            )
            registry.validate(decoded.claims)
        except (JoseError, ValueError) as error:
            raise ProviderFails(f"its ID token is refused: {error}") from None
        claims: dict[str, Any] = decoded.claims
        party = claims.get("azp")
        if party is not None and party != self._client_id:
            raise ProviderFails("its ID token is for another client")
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and party is None:
            raise ProviderFails("its ID token is for several clients, and does not say for which")
        return claims

    async def _decoded(self, token: str) -> jwt.Token:
        """With the keys that we have; with new ones, if it is signed with a key that is not among them."""
        if self._keys is not None:
            # Nobody but the provider gives us tokens: each unknown key is worth a look.
            with contextlib.suppress(JoseError, ValueError):
                return jwt.decode(token, self._keys, algorithms=_ALGORITHMS)
        found = await self._ask("GET", _url(await self._description(), "jwks_uri"))
        usable = [
            one for one in found.get("keys", []) if isinstance(one, dict) and one.get("use", "sig") == "sig"
        ]
        self._keys = KeySet.import_key_set({"keys": usable})
        return jwt.decode(token, self._keys, algorithms=_ALGORITHMS)

    async def _ask(self, method: str, url: str, **given: Any) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=_PATIENCE, follow_redirects=False) as client:
                answer = await client.request(method, url, **given)
        except httpx.HTTPError as error:
            raise ProviderFails(f"{url} does not answer: {error or type(error).__name__}") from None
        if answer.status_code != 200 or len(answer.content) > _LARGEST:
            raise ProviderFails(f"{url} answers {answer.status_code}: {answer.text[:200]!r}")
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise ProviderFails(f"{url} answers with something else than a JSON object")
        return document


def _url(description: dict[str, Any], name: str) -> str:
    found = description.get(name)
    if not isinstance(found, str) or not found.startswith(("https://", "http://")):
        raise ProviderFails(f"its description has no {name}")
    return found


def _with(url: str, parameters: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"

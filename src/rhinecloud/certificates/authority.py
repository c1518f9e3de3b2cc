"""An ACME authority (RFC 8555): an account there, and certificates by HTTP-01 (§8.3). Blocking (certbot's library)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import requests
from acme import challenges, client, errors, messages
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from .folder import Folder, new_key, pem, request_for

PATIENCE = timedelta(seconds=180)  # for an order; authorities look from several places, one after the other
_AGENT = "rhinecloud"


class NotIssued(Exception):
    """Why there is no certificate, in words."""


class Authority:
    """`tokens` is what http://NAME/.well-known/acme-challenge/… has to answer while an order goes on, by path."""

    def __init__(self, directory: str, email: str | None, folder: Folder) -> None:
        self._directory = directory
        self._email = email
        self._folder = folder
        self.tokens: dict[str, str] = {}

    def issue(self, names: Sequence[str]) -> None:
        """Get a certificate for these names, with a new key, and keep both in the folder. Raises NotIssued."""
        try:
            self._issue(names)
        except errors.ValidationError as error:
            raise NotIssued(_of_validation(error)) from error
        except messages.Error as error:
            raise NotIssued(f"{self._directory} says: {error.detail or error.typ}") from error
        except (errors.Error, requests.RequestException, OSError, ValueError) as error:
            raise NotIssued(f"{self._directory}: {error or type(error).__name__}") from error
        finally:
            self.tokens.clear()

    def _issue(self, names: Sequence[str]) -> None:
        network = client.ClientNetwork(self._account_key(), alg=ES256, user_agent=_AGENT)
        authority = client.ClientV2(client.ClientV2.get_directory(self._directory, network), network)
        self._sign_in(authority)
        key = new_key()
        order = authority.new_order(request_for(key, names))
        for authorization in order.authorizations:
            if authorization.body.status != messages.STATUS_VALID:
                self._answer(authority, authorization)
        # The library's clock has no time zone.
        order = authority.poll_and_finalize(order, datetime.now() + PATIENCE)
        self._folder.keep(order.fullchain_pem.encode(), pem(key))

    def _account_key(self) -> JWKEC:
        if not self._folder.account.exists():
            self._folder.write(self._folder.account, pem(new_key()))
        key = serialization.load_pem_private_key(self._folder.account.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return JWKEC(key=key)

    def _sign_in(self, authority: client.ClientV2) -> None:
        """The key is the account: who is known already is told where it is (RFC 8555 §7.3.1)."""
        try:
            authority.new_account(
                messages.NewRegistration.from_data(email=self._email, terms_of_service_agreed=True)
            )
        except errors.ConflictError as known:
            body = messages.Registration()
            authority.net.account = messages.RegistrationResource(body=body, uri=known.location)

    def _answer(self, authority: client.ClientV2, authorization: messages.AuthorizationResource) -> None:
        for offered in authorization.body.challenges:
            if isinstance(offered.chall, challenges.HTTP01):
                response, text = offered.response_and_validation(authority.net.key)
                self.tokens[offered.chall.path] = text
                authority.answer_challenge(offered, response)
                return
        raise NotIssued(f"{self._directory} offers no HTTP-01 for {authorization.body.identifier.value}")


def _of_validation(error: errors.ValidationError) -> str:
    reasons = [
        f"{authorization.body.identifier.value}: {challenge.error.detail or challenge.error.typ}"
        for authorization in error.failed_authzrs
        for challenge in authorization.body.challenges
        if challenge.error is not None
    ]
    return "the authority could not convince itself. " + "; ".join(reasons)

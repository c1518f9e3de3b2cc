"""`rhinecloud check` looks whether the city's existing MQTT brokers are to be reached."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import trustme

from rhinecloud.engines.checks import check_bridges
from rhinecloud.engines.postgresql import free_port
from rhinecloud.settings import Settings

SECRET = "gr0sses-geheimnis"


def found(url: str) -> tuple[str, str]:
    (finding,) = check_bridges(Settings(mqtt_bridge=url))
    assert SECRET not in finding.text
    return finding.level, finding.text


def test_whether_a_broker_answers_and_its_certificate_holds(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def greet() -> None:
            for secure in (False, True, True):
                connection, _ = listener.accept()
                try:
                    (context.wrap_socket(connection, server_side=True) if secure else connection).close()
                except OSError:
                    connection.close()

        thread = threading.Thread(target=greet)
        thread.start()
        login = f"city:{SECRET}@127.0.0.1:{port}/?topic=a"
        assert found(f"mqtt://{login}") == (
            "good",
            f"The MQTT broker mqtt://127.0.0.1:{port} (mqtt_bridge) answers",
        )
        level, text = found(f"mqtts://{login}")
        assert level == "wrong"
        assert "certificate verify failed" in text
        assert found(f"mqtts://{login}&ca={tmp_path}/ca.pem")[0] == "good"
        thread.join(10)


def test_a_broker_that_is_away() -> None:
    level, text = found(f"mqtt://city:{SECRET}@127.0.0.1:{free_port('127.0.0.1')}/?topic=a")
    assert level == "wrong"
    assert "refused" in text


def test_without_bridges_nothing_is_said() -> None:
    assert list(check_bridges(Settings())) == []

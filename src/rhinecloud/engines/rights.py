"""What no device may say or hear: the stream machinery, what the MQTT side keeps for itself, our own subjects."""

from __future__ import annotations

FORBIDDEN_TO_DEVICES = [
    *("$JS.>", "$SYS.>", "$KV.>", "$O.>", "_INBOX.>", "changes.>", "wake.>"),
    *("$MQTT.msgs.>", "$MQTT.sess.>", "$MQTT.rmsgs.>", "$MQTT.qos2.>", "$MQTT.JSA.>"),
]
DEVICES_ONLY_HEAR = ["$MQTT.out.>"]

"""Devices: who they are, what they sign in with, what they may say, what is wanted of them, what is wrong with them.

`registry` holds the devices, `credentials` their secrets, `grants` and `door` let them in over MQTT, `push` over HTTP,
`commands` tells them what is wanted, `alarms` keeps what is wrong; `devices.Devices` puts them together.
"""

// Payload codec for lamps that report as docs/reference/lighting-lorawan.md says: paste it into the device profile of
// ChirpStack v4 or the payload formatter of The Things Stack. The names are attributes of the lamp in Rhine Cloud.
function decodeUplink(input) {
  var bytes = input.bytes;
  if (bytes.length !== 16 || bytes[0] !== 0x21) {
    return { errors: ["no report of a lamp (kind 2, format 1)"] };
  }
  function number(place, length) {
    var value = 0;
    for (var index = 0; index < length; index++) {
      value = value * 256 + bytes[place + index];
    }
    return value;
  }
  var hash = ("0000000" + number(5, 4).toString(16)).slice(-8);
  var data = { scheduleVersion: number(1, 4), scheduleHash: hash, deviceClock: number(9, 4) };
  if (bytes[13] <= 100) {
    data.illuminanceLevel = bytes[13] / 100;
    data.powerState = bytes[13] > 0 ? "on" : "off";
  }
  if (number(14, 2) !== 0xffff) {
    data.powerConsumption = number(14, 2) / 10;
  }
  return { data: data };
}

#include "connack.h"

#include <MQTTReasonCodes.h>

namespace weir::mqtt {

const char* lasting_refusal(int code, bool version_5) {
  if (!version_5) {
    switch (code) {
      case 1:
        return "the broker does not speak MQTT 3.1.1";
      case 2:
        return "the broker refuses the client_id";
      case 4:
        return "the broker refuses the user or password";
      case 5:
        return "the broker does not authorize this client: check user and password";
      default:
        return nullptr;
    }
  }
  switch (code) {
    case MQTTREASONCODE_UNSUPPORTED_PROTOCOL_VERSION:
      return "the broker does not speak MQTT 5";
    case MQTTREASONCODE_CLIENT_IDENTIFIER_NOT_VALID:
      return "the broker refuses the client_id";
    case MQTTREASONCODE_BAD_USER_NAME_OR_PASSWORD:
      return "the broker refuses the user or password";
    case MQTTREASONCODE_NOT_AUTHORIZED:
      return "the broker does not authorize this client: check user and password";
    case MQTTREASONCODE_BANNED:
      return "the broker has banned this client";
    case MQTTREASONCODE_BAD_AUTHENTICATION_METHOD:
      return "the broker asks for another authentication method";
    default:
      return nullptr;
  }
}

}  // namespace weir::mqtt

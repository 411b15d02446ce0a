#include "weir/plugin.h"

#include "source.h"

WEIR_PLUGIN(weir::type<weir::mqtt::MqttSource>(weir::mqtt::source_spec))

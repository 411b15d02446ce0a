#include "weir/plugin.h"

#include "sink.h"
#include "source.h"

WEIR_PLUGIN(weir::type<weir::mqtt::MqttSource>(weir::mqtt::source_spec),
            weir::type<weir::mqtt::MqttSink>(weir::mqtt::sink_spec))

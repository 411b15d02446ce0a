#include "weir/plugin.h"
#include "weir/dataset.h"

#include "sink.h"
#include "source.h"

WEIR_PLUGIN(weir::type<weir::mqtt::MqttSource>(weir::mqtt::source_spec),
            weir::type<weir::mqtt::MqttSink>(weir::mqtt::sink_spec))

WEIR_DATASETS(weir::dataset(weir::mqtt::source_spec, {.kind = "mqtt", .name = "{topic|topics}", .location = "{url}"}),
              weir::dataset(weir::mqtt::sink_spec, {.kind = "mqtt", .name = "{topic}", .location = "{url}"}))

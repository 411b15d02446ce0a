#include "weir/plugin.h"
#include "weir/dataset.h"

#include "sink.h"
#include "source.h"

WEIR_PLUGIN(weir::type<weir::kafka::KafkaSource>(weir::kafka::source_spec),
            weir::type<weir::kafka::KafkaSink>(weir::kafka::sink_spec))

WEIR_DATASETS(weir::dataset(weir::kafka::source_spec,
                            {.kind = "kafka", .name = "{topic|topics|pattern}", .location = "{brokers}"}),
              weir::dataset(weir::kafka::sink_spec, {.kind = "kafka", .name = "{topic}", .location = "{brokers}"}))

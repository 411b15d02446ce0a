#include "weir/plugin.h"

#include "sink.h"
#include "source.h"

WEIR_PLUGIN(weir::type<weir::kafka::KafkaSource>(weir::kafka::source_spec),
            weir::type<weir::kafka::KafkaSink>(weir::kafka::sink_spec))

#include "weir/plugin.h"
#include "weir/dataset.h"

#include "listen.h"
#include "lookup.h"
#include "sink.h"
#include "source.h"

WEIR_PLUGIN(weir::type<weir::http::HttpSource>(weir::http::source_spec),
            weir::type<weir::http::HttpListen>(weir::http::listen_spec),
            weir::type<weir::http::HttpSink>(weir::http::sink_spec),
            weir::type<weir::http::HttpLookup>(weir::http::lookup_spec))

WEIR_DATASETS(weir::dataset(weir::http::source_spec, {.kind = "http", .name = "{url}", .location = "{url}"}),
              weir::dataset(weir::http::listen_spec,
                            {.kind = "http", .name = "{path}", .location = "http://{listen}{path}"}),
              weir::dataset(weir::http::sink_spec, {.kind = "http", .name = "{url}", .location = "{url}"}))

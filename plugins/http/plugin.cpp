#include "weir/plugin.h"

#include "listen.h"
#include "lookup.h"
#include "sink.h"
#include "source.h"

WEIR_PLUGIN(weir::type<weir::http::HttpSource>(weir::http::source_spec),
            weir::type<weir::http::HttpListen>(weir::http::listen_spec),
            weir::type<weir::http::HttpSink>(weir::http::sink_spec),
            weir::type<weir::http::HttpLookup>(weir::http::lookup_spec))

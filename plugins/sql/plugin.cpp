// SQL databases.

#include "weir/plugin.h"

#include "sql_sink.h"

WEIR_PLUGIN(weir::type<weir::sqlite::SqlSink>(weir::sqlite::sql_sink_spec()))

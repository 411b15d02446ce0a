// SQL databases.

#include "weir/plugin.h"

#include "sql_sink.h"

WEIR_PLUGIN(weir::type<weir::db::SqlSink>(weir::db::sql_sink_spec()))

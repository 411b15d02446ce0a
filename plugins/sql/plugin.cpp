// SQL databases.

#include "weir/plugin.h"

#include "sql_sink.h"
#include "sql_source.h"

WEIR_PLUGIN(weir::type<weir::db::SqlSink>(weir::db::sql_sink_spec()),
            weir::type<weir::db::SqlSource>(weir::db::sql_source_spec()))

// SQL databases.

#include "weir/plugin.h"
#include "weir/dataset.h"

#include "sql_sink.h"
#include "sql_source.h"

WEIR_PLUGIN(weir::type<weir::db::SqlSink>(weir::db::sql_sink_spec()),
            weir::type<weir::db::SqlSource>(weir::db::sql_source_spec()))

WEIR_DATASETS(weir::dataset(weir::db::sql_sink_spec(),
                            {.kind = "sql", .name = "{table}", .location = "{database|url}", .columns = "columns"}),
              weir::dataset(weir::db::sql_source_spec(), {.kind = "sql", .name = "{table}", .location = "{database}"}))

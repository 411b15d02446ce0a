// Files, read and written.

#include "weir/plugin.h"
#include "weir/dataset.h"

#include "file_sink.h"
#include "file_source.h"

WEIR_PLUGIN(weir::type<weir::file::FileSource>(weir::file::file_source_spec()),
            weir::type<weir::file::FileSink>(weir::file::file_sink_spec()))

WEIR_DATASETS(weir::dataset(weir::file::file_source_spec(), {.kind = "file", .name = "{path}", .location = "{path}"}),
              weir::dataset(weir::file::file_sink_spec(), {.kind = "file", .name = "{path}", .location = "{path}"}))

// Objects of S3-compatible stores, read and written.

#include "weir/plugin.h"
#include "weir/dataset.h"

#include "sink.h"
#include "source.h"

WEIR_PLUGIN(weir::type<weir::s3::S3Source>(weir::s3::source_spec()),
            weir::type<weir::s3::S3Sink>(weir::s3::sink_spec()))

WEIR_DATASETS(weir::dataset(weir::s3::source_spec(),
                            {.kind = "s3", .name = "{bucket}/{prefix}", .location = "{endpoint}"}),
              weir::dataset(weir::s3::sink_spec(), {.kind = "s3", .name = "{bucket}/{key}", .location = "{endpoint}"}))

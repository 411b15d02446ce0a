// Objects of S3-compatible stores, read and written.

#include "weir/plugin.h"

#include "sink.h"
#include "source.h"

WEIR_PLUGIN(weir::type<weir::s3::S3Source>(weir::s3::source_spec()),
            weir::type<weir::s3::S3Sink>(weir::s3::sink_spec()))

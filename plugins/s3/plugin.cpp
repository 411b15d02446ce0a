// Objects of S3-compatible stores, written.

#include "weir/plugin.h"

#include "sink.h"

WEIR_PLUGIN(weir::type<weir::s3::S3Sink>(weir::s3::sink_spec()))

// Whether a bucket is there and lets these credentials in.

#include "sink.h"
#include "source.h"
#include "weir/check.h"

namespace weir::s3 {
namespace {

std::string reached(const ConnectionSettings& settings) {
  return "s3://" + settings.bucket + " at " + address_of(settings).base;
}

std::string read(const SourceSettings& settings) {
  Client(settings, credentials_of(settings)).list(settings.prefix, "", "", 1);
  return reached(settings);
}

std::string write(const SinkSettings& settings) {
  Client(settings, credentials_of(settings)).check();
  return reached(settings);
}

}  // namespace
}  // namespace weir::s3

WEIR_CHECKS(weir::check(weir::s3::source_spec(), weir::s3::read), weir::check(weir::s3::sink_spec(), weir::s3::write))

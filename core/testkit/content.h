#pragma once
// Large content for sessions under test: what the store would put into a file stays in memory, and is external all the
// same, so that processors meet it as they will in the runtime.

#include <memory>

#include "store/content.h"

namespace weir::testkit {

/// For SessionBuilder; the context is not used.
std::unique_ptr<store::ContentWriter> write_content(void* context);

}  // namespace weir::testkit

#pragma once
// The records of a content, for joining contents: checked once, then copied in as large pieces as their form allows.

#include <cstdint>
#include <string_view>

#include "weir/session.h"

namespace weir::json {

struct RecordContent {
  std::uint32_t records = 0;
  bool array = false;  ///< the records are the elements of an array
  bool lines = false;  ///< each record is on a line of its own, and nothing else is there: NDJSON as it stands
};

/// Reads all of the content. Throws InvalidJson.
RecordContent read_records(Session& session, FlowFile file);

/// Appends the records of `from`, each with a line's end. A record that spans lines is brought onto one: line ends can
/// stand only between its tokens.
void append_lines(Session& session, FlowFile to, FlowFile from, const RecordContent& content);

/// Appends the records of `from` as elements, a comma before each but the first of all.
void append_elements(Session& session, FlowFile to, FlowFile from, const RecordContent& content, bool first);

}  // namespace weir::json

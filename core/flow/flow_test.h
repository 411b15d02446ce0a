#pragma once
// A test of a flow, as its author wrote it under `tests:`: what flows in, when, and what has to come of it. Every name
// is resolved. test_reader.h reads it, flowtest/ runs it.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weir/units.h"

namespace weir::flow {

/// A place in a flow file; line and column count from 1, 0 if there is none.
struct Mark {
  std::string file;
  int line = 0;
  int column = 0;
};

/// FlowFiles as if a processor had put them out by one of its relationships.
struct Given {
  Mark mark;
  std::uint32_t processor = 0;
  std::uint32_t relationship = 0;
  Duration at{};                      ///< since the test's start
  std::vector<std::string> contents;  ///< one a FlowFile
  std::map<std::string, std::string> attributes;
};

/// A value that the author wrote, and where.
struct Written {
  Mark mark;
  std::string text;  ///< JSON of a record; else as it is
};

/// What has to have passed, by the end of the test, one relationship, or into one processor.
struct Expectation {
  Mark mark;
  std::uint32_t processor = 0;
  std::optional<std::uint32_t> relationship;  ///< none: what went into the processor
  bool partly = false;                        ///< records may have further fields, and there may be further records
  bool any_order = false;
  double tolerance = 0;  ///< between numbers: absolute
  std::optional<std::vector<Written>> records;
  std::optional<std::vector<Written>> contents;  ///< of whole FlowFiles
  std::optional<std::uint64_t> flowfiles;        ///< how many
  std::map<std::string, Written> attributes;     ///< that every FlowFile has
};

/// What a processor that reaches outside does in a test, in place of the far side: the first that fits an input.
struct Answer {
  std::vector<std::pair<std::string, std::string>> when;  ///< field of the first record, JSON; empty: always
  std::optional<std::uint32_t> relationship;              ///< none: its way ends here
  std::string set;                                        ///< a JSON object: members that each record gets
};

struct FlowTest {
  std::string name;
  Mark mark;
  std::int64_t now = 0;  ///< when it begins, nanoseconds since 1970
  std::vector<Given> given;
  Duration wait{};         ///< how long time passes after the last was given
  bool until_idle = true;  ///< then the sources end, windows close, and all flows out
  std::vector<Expectation> expected;
  std::optional<std::vector<Written>> bulletins;         ///< each is part of one; warnings and errors have no others
  std::map<std::uint32_t, std::vector<Answer>> answers;  ///< by processor
  std::map<std::uint32_t, std::map<std::string, std::vector<std::string>>> tables;  ///< databases': rows, by processor
  std::map<std::uint32_t, std::pair<Mark, std::uint64_t>> state;  ///< how many entries a processor's state has
};

}  // namespace weir::flow

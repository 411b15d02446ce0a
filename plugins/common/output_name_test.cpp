// What files and objects are called.

#include "output_name.h"

#include <doctest/doctest.h>

#include "path_template.h"
#include "test_files.h"

using namespace weir::file;

TEST_CASE("a number goes before the extension, and that of the compression") {
  CHECK(numbered("a/readings.ndjson.gz", 7) == "a/readings-000007.ndjson.gz");
  CHECK(numbered("readings.zst", 1234567) == "readings-1234567.zst");
  CHECK(numbered("a.b/readings", 1) == "a.b/readings-000001");
  CHECK(part_of("a/x.gz") == "a/.x.gz.part");
}

TEST_CASE("numbering goes on behind complete and incomplete files") {
  const TestDirectory dir;
  CHECK(next_number(dir / "x.log") == 1);
  dir.write("x-000003.log", "");
  dir.write("x-other.log", "");
  CHECK(next_number(dir / "x.log") == 4);
  dir.write(".x-000009.log.part", "");
  CHECK(next_number(dir / "x.log") == 10);
}

TEST_CASE("data never adds a segment to a path, nor a name that no file can have") {
  const auto bad = [](const std::string& path) { return !objection_to(path, 5).empty(); };
  CHECK(!bad("lake/a/b.log"));
  CHECK(!bad("lake/a..b/..c"));
  CHECK(bad("lake//b"));
  CHECK(bad("lake/../b"));
  CHECK(bad("lake/./b"));
  CHECK(bad("lake/"));
  CHECK(bad("lake/a\nb"));
  CHECK(bad(std::string("lake/a\0b", 8)));
  CHECK(bad("lake/" + std::string(300, 'x')));
  CHECK(bad("lake" + std::string(2500, '/') + "x"));
  CHECK(objection_to("../lake/a", 8).empty());  // the author's own
}

TEST_CASE("a path's SQL is evaluated once a FlowFile only if it reads no field") {
  CHECK(!inspect("a/b.log").computed);
  CHECK(inspect("a/$(sensor_id).log").per_record);
  CHECK(inspect("a/$(strftime('%H', timestamp))").per_record);
  CHECK(inspect("a/$(has('x'))").per_record);
  CHECK(inspect("a/$(\"x\")").per_record);
  CHECK(!inspect("a/$(attr('filename'))").per_record);
  CHECK(!inspect("a/$(strftime('%Y (x', now()))/$(upper(attr('x')) || '.log')").per_record);
  CHECK(!inspect("$(CASE WHEN attr('a') IS NULL THEN 'none' ELSE attr('a') END)").per_record);
  CHECK(inspect("$(attr('a'))/$(b)").per_record);
  CHECK(inspect("lake/$(a)").fixed == 5);
}

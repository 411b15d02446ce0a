"""Each rule of includes.py refuses a small tree that breaks it, and accepts one that does not."""

import tempfile
import unittest
from pathlib import Path

import includes


class Includes(unittest.TestCase):
    def check(self, **files):
        """Violations in a tree given as path=text, with "__" for "/" and "_h" or "_cpp" for the suffix."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                stem, _, suffix = name.rpartition("_")
                path = Path(folder, stem.replace("__", "/") + "." + suffix)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return includes.check(folder)

    def refuses(self, reason, **files):
        violations = self.check(**files)
        self.assertEqual(len(violations), 1, violations)
        self.assertIn(reason, violations[0])
        return violations[0]

    def accepts(self, **files):
        self.assertEqual(self.check(**files), [])

    def test_sdk_includes_the_standard_library_and_itself(self):
        self.accepts(core__include__weir__a_h="#include <vector>\n#include <weir/b.h>\n", core__include__weir__b_h="")

    def test_sdk_includes_no_library(self):
        for header in ("<boost/json.hpp>", "<yaml-cpp/yaml.h>", "<sqlite3.h>", "<spdlog/spdlog.h>", "<unistd.h>"):
            with self.subTest(header):
                self.refuses("the SDK includes only", core__include__weir__a_h=f"#include {header}\n")

    def test_sdk_includes_no_module(self):
        self.refuses("the SDK includes only", core__include__weir__a_h='#include "store/b.h"\n', core__store__b_h="")

    def test_plugin_includes_the_sdk_its_own_folder_and_libraries(self):
        self.accepts(
            plugins__mqtt__a_cpp='#include <MQTTAsync.h>\n#include <weir/sdk.h>\n#include "client.h"\n'
            '#include "plugins/mqtt/client.h"\n',
            plugins__mqtt__client_h="",
        )

    def test_plugin_includes_no_module_of_the_core(self):
        for module in ("store", "engine", "flow", "sql", "plugin", "api"):
            with self.subTest(module):
                self.refuses("a plugin sees only", plugins__mqtt__a_cpp=f'#include "{module}/b.h"\n')
                self.refuses("a plugin sees only", plugins__mqtt__a_cpp=f'#include "core/{module}/b.h"\n',
                             **{f"core__{module}__b_h": ""})
                self.refuses("a plugin sees only", plugins__mqtt__a_cpp=f'#include "../../core/{module}/b.h"\n',
                             **{f"core__{module}__b_h": ""})

    def test_plugin_includes_no_other_plugin(self):
        self.refuses("a plugin sees only", plugins__mqtt__a_cpp='#include "../file/b.h"\n', plugins__file__b_h="")

    def test_plugin_includes_what_plugins_share(self):
        self.accepts(plugins__mqtt__a_cpp='#include "plugins/common/b.h"\n', plugins__common__b_h="")
        self.refuses("a plugin sees only", plugins__common__a_cpp='#include "plugins/mqtt/b.h"\n', plugins__mqtt__b_h="")

    def test_plugin_may_have_a_folder_named_like_a_module(self):
        self.accepts(plugins__sql__a_cpp='#include "sink.h"\n', plugins__sql__sink_h="")

    def test_only_tests_include_the_test_kit(self):
        self.accepts(plugins__mqtt__a_test_cpp="#include <weir/testkit.h>\n")
        self.accepts(plugins__mqtt__a_test_cpp='#include "testkit/b.h"\n', core__testkit__b_h="")
        self.refuses("only *_test.cpp", plugins__mqtt__a_cpp="#include <weir/testkit.h>\n")
        self.refuses("only *_test.cpp", core__engine__a_cpp='#include "testkit/b.h"\n', core__testkit__b_h="")

    def test_tests_of_a_plugin_see_no_module_either(self):
        self.refuses("a plugin sees only", plugins__mqtt__a_test_cpp='#include "engine/b.h"\n', core__engine__b_h="")

    def test_modules_may_include_what_lies_further_in(self):
        for module, allowed in includes.MODULES.items():
            if module == "sdk":
                continue
            for other in includes.MODULES:
                if other in ("sdk", "testkit", module):
                    continue
                with self.subTest(f"{module} includes {other}"):
                    tree = {f"core__{module}__a_h": f'#include "{other}/b.h"\n', f"core__{other}__b_h": ""}
                    if other in allowed:
                        self.accepts(**tree)
                    else:
                        self.refuses(f"core/{module} may include only", **tree)

    def test_order_of_the_modules(self):
        self.assertEqual(includes.MODULES["store"] | includes.MODULES["sql"] | includes.MODULES["plugin"], {"sdk"})
        self.assertEqual(includes.MODULES["flow"], {"sdk", "sql", "plugin"})
        self.assertEqual(includes.MODULES["engine"], {"sdk", "store", "sql", "flow", "plugin"})

    def test_unknown_module_is_refused(self):
        self.refuses("no module that the rules know", core__misc__a_cpp="#include <vector>\n")

    def test_no_module_includes_from_the_tests(self):
        self.refuses("may include only", core__store__a_cpp='#include "tests/unit/b.h"\n', tests__unit__b_h="")
        self.accepts(core__store__a_test_cpp='#include "tests/unit/b.h"\n', tests__unit__b_h="")

    def test_cycles_are_refused(self):
        cycle = {"core__store__a_h": '#include "b.h"\n', "core__store__b_h": '#include "store/c.h"\n'}
        self.refuses("includes itself: core/store/a.h -> core/store/b.h -> core/store/c.h -> core/store/a.h",
                     **cycle, core__store__c_h='#include "store/a.h"\n')
        self.accepts(**cycle, core__store__c_h="")
        self.refuses("includes itself", core__store__a_h='#include "a.h"\n')

    def test_comments_are_no_includes(self):
        self.accepts(core__store__a_h='// #include "engine/b.h"\n/*\n#include "engine/b.h"\n*/\n')

    def test_a_violation_names_file_and_line(self):
        violation = self.refuses("", core__store__a_h='/* two\nlines */\n#  include "flow/b.h" // why\n')
        self.assertTrue(violation.startswith("core/store/a.h:3: includes flow/b.h"), violation)


if __name__ == "__main__":
    unittest.main()

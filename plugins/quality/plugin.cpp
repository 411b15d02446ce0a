// Data quality.

#include "weir/plugin.h"

#include "quality_check.h"

WEIR_PLUGIN(weir::type<weir::quality::QualityCheck>(weir::quality::quality_check_spec()))

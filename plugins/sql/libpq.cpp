#include "libpq.h"

#include "client_library.h"

namespace weir::db {

const Libpq& libpq() {
  static const Libpq table = [] {
    const ClientLibrary library("libpq.so.5", "libpq5");
    Libpq t{};
    library.find("PQconnectStartParams", t.connectStartParams);
    library.find("PQconnectPoll", t.connectPoll);
    library.find("PQconninfoParse", t.conninfoParse);
    library.find("PQconninfoFree", t.conninfoFree);
    library.find("PQfreemem", t.freemem);
    library.find("PQfinish", t.finish);
    library.find("PQstatus", t.status);
    library.find("PQsocket", t.socket);
    library.find("PQerrorMessage", t.errorMessage);
    library.find("PQsetErrorVerbosity", t.setErrorVerbosity);
    library.find("PQsetNoticeProcessor", t.setNoticeProcessor);
    library.find("PQsendQuery", t.sendQuery);
    library.find("PQsendQueryParams", t.sendQueryParams);
    library.find("PQsendPrepare", t.sendPrepare);
    library.find("PQsendQueryPrepared", t.sendQueryPrepared);
    library.find("PQsendDescribePrepared", t.sendDescribePrepared);
    library.find("PQsetSingleRowMode", t.setSingleRowMode);
    library.find("PQconsumeInput", t.consumeInput);
    library.find("PQisBusy", t.isBusy);
    library.find("PQgetResult", t.getResult);
    library.find("PQputCopyData", t.putCopyData);
    library.find("PQputCopyEnd", t.putCopyEnd);
    library.find("PQenterPipelineMode", t.enterPipelineMode);
    library.find("PQexitPipelineMode", t.exitPipelineMode);
    library.find("PQpipelineSync", t.pipelineSync);
    library.find("PQresultStatus", t.resultStatus);
    library.find("PQresultErrorField", t.resultErrorField);
    library.find("PQresultErrorMessage", t.resultErrorMessage);
    library.find("PQclear", t.clear);
    library.find("PQcmdStatus", t.cmdStatus);
    library.find("PQntuples", t.ntuples);
    library.find("PQnfields", t.nfields);
    library.find("PQfname", t.fname);
    library.find("PQftype", t.ftype);
    library.find("PQgetvalue", t.getvalue);
    library.find("PQgetlength", t.getlength);
    library.find("PQgetisnull", t.getisnull);
    library.find("PQnparams", t.nparams);
    library.find("PQparamtype", t.paramtype);
    library.find("PQserverVersion", t.serverVersion);
    return t;
  }();
  return table;
}

}  // namespace weir::db

// A client on node-opcua: node client.js '{"url", "policy", "mode", "pki", "certificate", "key", "uri", "trusted",
// "user", "password", "level", "pump", "value"}'. Prints one JSON object.
"use strict";
const fs = require("fs");
const { OPCUAClient, OPCUACertificateManager, SecurityPolicy, MessageSecurityMode, UserTokenType, AttributeIds, DataType,
  TimestampsToReturn } = require("node-opcua");

async function main(options) {
  const manager = new OPCUACertificateManager({ rootFolder: options.pki, automaticallyAcceptUnknownCertificate: false });
  await manager.initialize();
  await manager.trustCertificate(fs.readFileSync(options.trusted));
  const client = OPCUAClient.create({
    applicationUri: options.uri,
    certificateFile: options.certificate,
    privateKeyFile: options.key,
    clientCertificateManager: manager,
    securityPolicy: SecurityPolicy[options.policy],
    securityMode: MessageSecurityMode[options.mode],
    endpointMustExist: false,
    connectionStrategy: { maxRetry: 0, initialDelay: 100 },
  });
  const user = options.user
    ? { type: UserTokenType.UserName, userName: options.user, password: options.password }
    : { type: UserTokenType.Anonymous };
  await client.connect(options.url);
  const session = await client.createSession(user);
  const before = await session.read({ nodeId: options.level, attributeId: AttributeIds.Value });
  const status = await session.write({
    nodeId: options.pump,
    attributeId: AttributeIds.Value,
    value: { value: { dataType: DataType.Double, value: options.value } },
  });
  const refused = await session.write({
    nodeId: options.level,
    attributeId: AttributeIds.Value,
    value: { value: { dataType: DataType.Double, value: 1.0 } },
  });
  const after = await session.read({ nodeId: options.pump, attributeId: AttributeIds.Value });
  const history = await session.readHistoryValue(options.level, "2023-11-14T22:13:20Z", "2023-11-14T23:00:00Z");
  const subscription = await session.createSubscription2({ requestedPublishingInterval: 50, publishingEnabled: true,
    requestedLifetimeCount: 100, requestedMaxKeepAliveCount: 10 });
  const item = await subscription.monitor({ nodeId: options.level, attributeId: AttributeIds.Value },
    { samplingInterval: 50, queueSize: 10 }, TimestampsToReturn.Both);
  const change = await new Promise((resolve) => item.on("changed", resolve));
  await client.closeSession(session, true);
  await client.disconnect();
  process.stdout.write(JSON.stringify({
    level: before.value.value, source: before.sourceTimestamp, write: status.name, refused: refused.name,
    pump: after.value.value, history: history.historyData.dataValues.map((value) => value.value.value),
    subscribed: change.value.value,
  }) + "\n");
  process.exit(0);
}

main(JSON.parse(process.argv[2])).catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});

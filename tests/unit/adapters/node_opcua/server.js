// A plant on node-opcua: node server.js '{"port", "pki", "certificate", "key", "uri", "trusted", "user", "password"}'
// Prints one line when it listens, and ends with its standard input.
"use strict";
const fs = require("fs");
const { OPCUAServer, OPCUACertificateManager, SecurityPolicy, MessageSecurityMode, Variant, DataType, StatusCodes } =
  require("node-opcua");

async function main(options) {
  const manager = new OPCUACertificateManager({ rootFolder: options.pki, automaticallyAcceptUnknownCertificate: false });
  await manager.initialize();
  await manager.trustCertificate(fs.readFileSync(options.trusted));
  const server = new OPCUAServer({
    port: options.port,
    hostname: "127.0.0.1",
    serverInfo: { applicationUri: options.uri },
    certificateFile: options.certificate,
    privateKeyFile: options.key,
    serverCertificateManager: manager,
    allowAnonymous: !options.user,
    userManager: { isValidUser: (name, password) => name === options.user && password === options.password },
    securityPolicies: [
      SecurityPolicy.None, SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes128_Sha256_RsaOaep,
      SecurityPolicy.Aes256_Sha256_RsaPss,
    ],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  space.registerNamespace("urn:interop:filler");
  const plant = space.registerNamespace("urn:interop:plant");
  const folder = plant.addObject({ organizedBy: space.rootFolder.objects, browseName: "Plant" });
  const level = plant.addAnalogDataItem({
    componentOf: folder, browseName: "LT1.PV", nodeId: "s=LT1.PV", dataType: "Double",
    engineeringUnitsRange: { low: 0, high: 20 },
    engineeringUnits: { namespaceUri: "urn:units", unitId: 1, displayName: "cm", description: "centimetre" },
  });
  space.installHistoricalDataNode(level);
  const flow = plant.addVariable({ componentOf: folder, browseName: "FT1.PV", nodeId: "i=17", dataType: "Float" });
  const steady = plant.addVariable({ componentOf: folder, browseName: "TT1.PV", nodeId: "s=TT1.PV", dataType: "Int32" });
  const pump = plant.addVariable({ componentOf: folder, browseName: "P1.SP", nodeId: "s=P1.SP", dataType: "Double" });
  const set = (node, dataType, value) => node.setValueFromSource(new Variant({ dataType, value }), StatusCodes.Good);
  set(flow, DataType.Float, 2.5);
  set(steady, DataType.Int32, 20);
  set(pump, DataType.Double, 3.0);
  let count = 0;
  const timer = setInterval(() => set(level, DataType.Double, 10.0 + (count++ % 50) / 100), 100);
  await server.start();
  process.stdout.write("listening\n");
  process.stdin.resume();
  process.stdin.on("end", async () => {
    clearInterval(timer);
    await server.shutdown(0);
    process.exit(0);
  });
}

main(JSON.parse(process.argv[2])).catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});

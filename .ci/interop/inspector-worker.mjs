// Runs requests of MCP Inspector's command line in one process, because its start takes longer
// than a request. A line of input is a list of arguments in JSON. Its answer is a line with the
// exit code and what the command printed on standard output.
import { createInterface } from 'node:readline';
import { handleError, runCli } from './node_modules/@modelcontextprotocol/inspector/clients/cli/build/index.js';

const write = process.stdout.write.bind(process.stdout);
let answer;
process.stdout.write = (text, ...rest) => {
  answer.stdout += text;
  rest.find((value) => typeof value === 'function')?.();
  return true;
};
process.exit = (code) => { answer.code = code; };

for await (const line of createInterface({ input: process.stdin })) {
  answer = { code: 0, stdout: '' };
  try {
    await runCli([process.execPath, 'mcp-inspector', ...JSON.parse(line)]);
  } catch (err) {
    await handleError(err);
  }
  write(`${JSON.stringify(answer)}\n`);
}

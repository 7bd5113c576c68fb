// Checks what language models get to read through the Vercel AI SDK. No model is asked:
// a script answers in place of each provider's HTTP API.
import assert from 'node:assert/strict';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createMCPClient } from '@ai-sdk/mcp';
import { Experimental_StdioMCPTransport as StdioTransport } from '@ai-sdk/mcp/mcp-stdio';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, stepCountIs } from 'ai';
import { credentials, environment } from './binary.mjs';
import { check } from './check.mjs';
import { startUpstream } from './upstream.mjs';

const name = 'list_digital_humans';

// For each provider: `model` makes its model, `call` and `done` are answers in which the
// model calls the tool or ends, and `tools` finds names and parameters of the tools in a
// request's tools.
const providers = {
  google: {
    model: (settings) => createGoogleGenerativeAI(settings)('gemini-2.5-pro'),
    call: (args) => google([{ functionCall: { name, args } }]),
    done: google([{ text: 'done' }]),
    tools: ([{ functionDeclarations }]) => functionDeclarations.map((tool) => [tool.name, tool.parameters]),
  },
  openai: {
    model: (settings) => createOpenAI(settings).chat('gpt-5'),
    call: (args) =>
      openai('tool_calls', {
        tool_calls: [{ id: 'call', type: 'function', function: { name, arguments: JSON.stringify(args) } }],
      }),
    done: openai('stop', { content: 'done' }),
    tools: (tools) => tools.map((tool) => [tool.function.name, tool.function.parameters]),
  },
  anthropic: {
    model: (settings) => createAnthropic(settings)('claude-sonnet-4-5'),
    call: (input) => anthropic('tool_use', { type: 'tool_use', id: 'call', name, input }),
    done: anthropic('end_turn', { type: 'text', text: 'done' }),
    tools: (tools) => tools.map((tool) => [tool.name, tool.input_schema]),
  },
};

function google(parts) {
  return { candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP' }] };
}

function openai(finish_reason, message) {
  const choice = { index: 0, finish_reason, message: { role: 'assistant', ...message } };
  return { id: 'answer', object: 'chat.completion', created: 0, model: 'model', choices: [choice] };
}

function anthropic(stop_reason, block) {
  const usage = { input_tokens: 0, output_tokens: 0 };
  return { id: 'answer', type: 'message', role: 'assistant', model: 'model', stop_reason, usage, content: [block] };
}

export async function checkProviders(binary) {
  for (const [provider, { model, call, done, tools }] of Object.entries(providers)) {
    const upstream = await startUpstream();
    await check(`ai-sdk ${provider}`, async () => {
      const env = environment({ ...credentials(upstream), ZEGO_TOOLSETS: 'all' });
      const mcp = await createMCPClient({ transport: new StdioTransport({ command: binary, env, stderr: 'ignore' }) });
      try {
        // The model calls with a wrong argument, reads the error, calls correctly, and ends.
        const script = [call({ limit: 5 }), call({ Limit: 2 }), done];
        const requests = [];
        const fetch = async (_, { body }) => {
          requests.push(JSON.parse(body));
          return Response.json(script[requests.length - 1]);
        };
        const served = await mcp.tools();
        await generateText({
          model: model({ apiKey: 'none', fetch }),
          tools: served,
          prompt: 'Which digital humans are there?',
          stopWhen: stepCountIs(script.length),
        });
        assert.equal(requests.length, script.length, 'requests to the model');

        const offered = Object.fromEntries(tools(requests[0].tools));
        assert.deepEqual(Object.keys(offered).sort(), Object.keys(served).sort(), 'tools that reach the model');
        for (const [tool, parameters] of Object.entries(offered)) {
          for (const [property, { type, description }] of Object.entries(parameters?.properties ?? {})) {
            assert.ok(type && description, `${tool} ${property} reaches the model without type or description`);
          }
        }
        const { [name]: parameters } = offered;
        // The AI SDK drops minimum and maximum for Google, so descriptions must say them.
        const ranges = { FetchMode: /1 .* 2 .* 3 /, Offset: /0 to 1000000/, Limit: /1 to 20/ };
        for (const [property, range] of Object.entries(ranges)) {
          assert.equal(parameters.properties[property].type, 'integer');
          assert.match(parameters.properties[property].description, range);
        }
        const calls = upstream.calls.filter(({ action }) => action === 'GetDigitalHumanList');
        assert.deepEqual(calls.map(({ body }) => body), ['{"Limit":2}']);
        const [, refused, answered] = requests.map((request) => JSON.stringify(request));
        assert.ok(refused.includes('did you mean'), 'the model cannot read the refusal');
        assert.ok(answered.includes(calls[0].RequestId), 'the model cannot read the result');
        assert.deepEqual(upstream.violations, []);
      } finally {
        await mcp.close();
      }
    });
    upstream.stop();
  }
}

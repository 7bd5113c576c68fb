// Checks the hints of every tool against a table that is written by hand. A mistake in the
// program, or in golden files that it writes, cannot change the table.
import assert from 'node:assert/strict';

// A new tool needs a line here: readOnly if it changes nothing and costs nothing, additive
// if each call does something more, destructive if it ends something.
export const effects = {
  create_stream_task: 'additive',
  create_viewer_link: 'readOnly',
  watch_stream_task: 'readOnly',
  do_action: 'additive',
  drive_by_audio: 'additive',
  drive_by_audio_file: 'additive',
  drive_by_rtc_stream: 'additive',
  drive_by_text: 'additive',
  find_digital_humans: 'readOnly',
  get_digital_human: 'readOnly',
  get_stream_task: 'readOnly',
  interrupt_drive: 'destructive',
  list_digital_humans: 'readOnly',
  list_stream_tasks: 'readOnly',
  preview_digital_humans: 'readOnly',
  list_timbres: 'readOnly',
  stop_stream_task: 'destructive',
};

const hints = {
  readOnly: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  additive: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  destructive: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
};

/** checkHints compares the hints of tools, as tools/list has them, with the table. */
export function checkHints(tools) {
  for (const { name, annotations } of tools) {
    assert.ok(Object.hasOwn(effects, name), `${name} is not in the table of hints.mjs: say there what it does`);
    const { title, ...got } = annotations;
    assert.ok(title, `${name} has no title`);
    assert.deepEqual({ [name]: got }, { [name]: hints[effects[name]] });
  }
}

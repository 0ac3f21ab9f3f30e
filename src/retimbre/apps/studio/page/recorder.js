// The microphone, recorded as it is: no echo cancelling, no noise gate, no automatic level.

// Start to record; `onBlock(seconds, peak)` is called as it goes. Gives a function that ends it with a WAV file.
export async function record(onBlock) {
  if (!navigator.mediaDevices) throw new Error("A browser records only at 127.0.0.1, on the machine itself.");
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio }).catch(({ message }) => {
    throw new Error(`The browser cannot use a microphone (${message}): plug one in, or allow it for this page.`);
  });
  const context = new AudioContext();
  const blocks = [];
  await context.audioWorklet.addModule("/page/recorder-worklet.js");
  const tap = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
  tap.port.onmessage = ({ data }) => {
    blocks.push(data);
    const peak = data.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    onBlock((blocks.length * data.length) / context.sampleRate, peak);
  };
  context.createMediaStreamSource(stream).connect(tap);
  return async () => {
    for (const track of stream.getTracks()) track.stop();
    await context.close();
    return wav(blocks, context.sampleRate);
  };
}

// One channel of 32-bit floats behind the header of a WAV file.
function wav(blocks, rate) {
  const bytes = blocks.reduce((sum, block) => sum + block.byteLength, 0);
  const words = (...values) => new Uint32Array(values);
  const format = new Uint16Array([3, 1, rate & 0xffff, rate >> 16, (4 * rate) & 0xffff, (4 * rate) >> 16, 4, 32]);
  const parts = ["RIFF", words(36 + bytes), "WAVEfmt ", words(16), format, "data", words(bytes)];
  return new Blob([...parts, ...blocks], { type: "audio/wav" });
}

// Fails to compile if ZEGO's web SDK no longer has the calls that the watch page makes.
import type { ZegoExpressEngine } from 'zego-express-engine-webrtc';
import type { Engine, EngineConstructor } from '../../internal/watch/page/engine.ts';

/** isEngine shows that the SDK's class has every call of Engine. */
export const isEngine = (engine: ZegoExpressEngine): Engine => engine;

/** isConstructor shows that it is made as the page makes it. */
export const isConstructor = (constructor: typeof ZegoExpressEngine): EngineConstructor => constructor;

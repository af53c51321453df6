// The words of the page itself, in English or Chinese.

/** @type {Record<string, string>} */
const CHINESE = {
  "search": "搜索", "search by name": "按名称搜索", "find …": "查找…", "open all": "全部打开", "close all": "全部关闭", "fit": "适合窗口", "details": "详情",
  "largest gradient": "最大的梯度", "smallest gradient": "最小的梯度", "first not finite": "第一个非有限值", "dead ReLUs": "死掉的 ReLU", "wrong backward": "错误的反向",
  "open every box (o)": "打开所有框 (o)", "close every box (c)": "关闭所有框 (c)", "smaller": "缩小", "larger": "放大", "fit into the window (0)": "适合窗口 (0)",
  "light or dark": "浅色或深色", "keys": "按键", "Keys": "按键", "the details, shown or not (d)": "显示或隐藏详情 (d)", "width of the details": "详情的宽度",
  "to the beginning (Home)": "到开头 (Home)", "one step back (←)": "后退一步 (←)", "one step on (→)": "前进一步 (→)", "to the end (End)": "到结尾 (End)",
  "play, pause (p)": "播放,暂停 (p)", "speed": "速度", "play": "播放", "pause": "暂停", "class": "课堂", "step": "步", "for a class: full screen, large letters (f)": "课堂:全屏,大字 (f)",
  "hide the answers until asked for (a)": "先隐藏答案 (a)", "answers": "答案", "show the answer (a)": "显示答案 (a)", "what comes next?": "下一步是什么?",
  "a link to this step": "这一步的链接", "link": "链接", "the link is copied": "链接已复制", "gradients as ∂L/∂x": "梯度写作 ∂L/∂x", "language": "语言",
  "whole batch": "整批", "example": "样本", "example of the batch": "批中的样本",
  "value above": "上方是值", "gradient below": "下方是梯度", "input": "输入", "parameter": "参数", "constant": "常量", "rule": "规则", "closed box": "关闭的框", "output": "输出",
  "negative, zero, positive": "负、零、正", "start": "开始", "only inputs and parameters are there": "只有输入和参数", "forward": "前向", "backward": "反向", "of": "/",
  "Forward": "前向", "Backward": "反向", "Inputs": "输入", "Outputs": "输出", "Output": "输出", "Kept for the backward": "为反向保留", "Time": "时间", "Called from": "调用处",
  "Source": "源代码", "Entries": "元素", "Examples": "样本", "This example": "这个样本", "Parameters": "参数", "Gradients that meet here": "在此汇合的梯度", "Used by": "用于",
  "Layers": "层", "point at one, to see what it is made of": "指向一个元素,看它由什么算出", "no gradient comes this way": "没有梯度从这里经过",
  "the backward has not come here yet": "反向还没有到这里", "nothing": "无", "in all": "合计", "numbers": "数值", "close": "关闭", "open": "打开",
  "‖gradient‖ by layer": "各层的 ‖梯度‖", "norm of the gradient by layer": "各层梯度的范数",
  "one step back, on": "后退、前进一步", "to the beginning, the end": "到开头、结尾", "from node to node": "从节点到节点", "open a box, look at a rule": "打开框,查看规则",
  "look at a node without opening it": "查看节点而不打开", "move the picture": "移动图", "larger, smaller, fit": "放大、缩小、适合", "open, close all boxes": "打开、关闭所有框",
  "show or fold the details": "显示或收起详情", "play, pause": "播放、暂停", "full screen for a class": "课堂全屏", "hide answers, show one": "隐藏答案,显示一个",
  "open a box": "打开框", "a presenter's keys": "演示器的键", "Shift with arrows": "Shift 加箭头", "double click": "双击", "Ctrl with wheel, two fingers": "Ctrl 加滚轮,两指",
  "train": "训练", "training": "训练", "one step": "一步", "back to the start": "回到开始", "a second run beside": "并排再训练一次", "only one run": "只留一次", "pictures": "图",
  "1 step a second": "每秒 1 步", "10 steps a second": "每秒 10 步", "100 steps a second": "每秒 100 步", "as fast as it goes": "尽可能快", "epoch": "轮", "loss": "损失",
  "learning rate": "学习率", "seed": "种子", "mistake": "错误", "first run": "第一次", "second run": "第二次", "no mistake in a backward": "反向中没有错误", "the checker": "检查器",
  "loss, of each mini-batch": "损失,每个小批", "accuracy, of each mini-batch": "准确率,每个小批", "what it says, place by place": "它在各处的回答", "what it says, and the examples": "它的回答与样本",
  "symbols, and what it expects after each": "符号,以及它预期的下一个", "what was taken for what": "把什么当成了什么", "held out": "留出的样本", "of the examples": "训练样本", "right": "正确",
  "a seed other than the trainer's own draws its weights in the page, with the same spread": "用别的种子时,权重在页面里按同样的分布抽取",
  "what to change": "要改什么", "change a number": "改一个数", "h, how far a nudge goes": "h,每次改动多少", "less by h": "减 h", "more by h": "加 h", "a step against the gradient": "逆着梯度走一步",
  "every number as it was": "每个数恢复原样", "every number is as it was": "每个数都已恢复原样", "h is how far a nudge goes: a number that is not 0": "h 是每次改动的量:一个不为 0 的数",
  "η is a number, how far a step goes": "η 是一个数:一步走多远", "predicted by the gradient": "梯度的预测", "really": "实际", "the output moved by": "输出变化了",
  "mean": "均值", "else": "其余", "0 up to rounding": "0(舍入误差内)", "empty": "空", "number": "数", "Steps": "步骤", "checkpoint": "检查点",
};

let language = "en";

/** @param {string} chosen */
export function speak(chosen) {
  language = chosen === "zh" ? "zh" : "en";
  document.documentElement.lang = language;
}

export const spoken = () => language;

/** A word or sentence of the page, in the language that was chosen. @param {string} english */
export const word = (english) => (language === "zh" ? CHINESE[english] ?? english : english);

/** What is written of an array: its few words. @param {string} line */
export const lineOf = (line) => (language === "zh" ? line.replace(/^(mean|else|0 up to rounding|empty|number)\b/, (found) => CHINESE[found]).replace(/^([\d,]+) numbers$/, "$1 个数") : line);

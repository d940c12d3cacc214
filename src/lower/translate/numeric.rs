//! Numbers: constants become immediates where they fit; what floats do is called.

use super::stack::{fits, Translator, Val};
use crate::lower::ir::{invert, is_compare};
use crate::runtime::image::{math, op};
use wasmparser::Operator;

/// A comparison of the wasm specification: equal, less, ...; signed where that matters.
#[derive(Clone, Copy, PartialEq)]
enum Cmp {
    Eq,
    Ne,
    LtS,
    LtU,
    GtS,
    GtU,
    LeS,
    LeU,
    GeS,
    GeU,
}

impl Translator<'_> {
    /// Translates what computes with numbers. False if it is none.
    pub(super) fn numeric(&mut self, operator: &Operator) -> bool {
        if let Some((number, n)) = float(operator) {
            self.math(number, n);
            return true;
        }
        self.constants(operator)
            || self.comparisons(operator)
            || self.integers32(operator)
            || self.integers64(operator)
            || self.conversions(operator)
    }

    /// Constants.
    fn constants(&mut self, operator: &Operator) -> bool {
        use Operator as O;
        match operator {
            O::I32Const { value } => self.stack.push(Val::Const(*value as u32 as u64)),
            O::I64Const { value } => self.stack.push(Val::Const(*value as u64)),
            O::F32Const { value } => self.stack.push(Val::Const(value.bits() as u64)),
            O::F64Const { value } => self.stack.push(Val::Const(value.bits())),
            _ => return false,
        }
        true
    }

    /// Comparisons of integers.
    fn comparisons(&mut self, operator: &Operator) -> bool {
        use Operator as O;
        match operator {
            O::I32Eqz => self.eqz(false),
            O::I64Eqz => self.eqz(true),
            O::I32Eq => self.compare(Cmp::Eq, false),
            O::I32Ne => self.compare(Cmp::Ne, false),
            O::I32LtS => self.compare(Cmp::LtS, false),
            O::I32LtU => self.compare(Cmp::LtU, false),
            O::I32GtS => self.compare(Cmp::GtS, false),
            O::I32GtU => self.compare(Cmp::GtU, false),
            O::I32LeS => self.compare(Cmp::LeS, false),
            O::I32LeU => self.compare(Cmp::LeU, false),
            O::I32GeS => self.compare(Cmp::GeS, false),
            O::I32GeU => self.compare(Cmp::GeU, false),
            O::I64Eq => self.compare(Cmp::Eq, true),
            O::I64Ne => self.compare(Cmp::Ne, true),
            O::I64LtS => self.compare(Cmp::LtS, true),
            O::I64LtU => self.compare(Cmp::LtU, true),
            O::I64GtS => self.compare(Cmp::GtS, true),
            O::I64GtU => self.compare(Cmp::GtU, true),
            O::I64LeS => self.compare(Cmp::LeS, true),
            O::I64LeU => self.compare(Cmp::LeU, true),
            O::I64GeS => self.compare(Cmp::GeS, true),
            O::I64GeU => self.compare(Cmp::GeU, true),
            _ => return false,
        }
        true
    }

    /// Integers of 32 bits.
    fn integers32(&mut self, operator: &Operator) -> bool {
        use Operator as O;
        match operator {
            O::I32Clz => self.unary(op::I32_CLZ),
            O::I32Ctz => self.unary(op::I32_CTZ),
            O::I32Popcnt => self.math(math::I32_POPCNT, 1),
            O::I32Add => self.binary(op::I32_ADD, op::I32_ADD_I, true, false),
            O::I32Sub => self.subtract(op::I32_SUB, op::I32_ADD_I, false),
            O::I32Mul => self.binary(op::I32_MUL, op::I32_MUL_I, true, false),
            O::I32DivS => self.binary(op::I32_DIV_S, 0, false, false),
            O::I32DivU => self.binary(op::I32_DIV_U, 0, false, false),
            O::I32RemS => self.binary(op::I32_REM_S, 0, false, false),
            O::I32RemU => self.binary(op::I32_REM_U, 0, false, false),
            O::I32And => self.binary(op::I32_AND, op::I32_AND_I, true, false),
            O::I32Or => self.binary(op::I32_OR, op::I32_OR_I, true, false),
            O::I32Xor => self.binary(op::I32_XOR, op::I32_XOR_I, true, false),
            O::I32Shl => self.shift(op::I32_SHL, op::I32_SHL_I, 32, false),
            O::I32ShrS => self.shift(op::I32_SHR_S, op::I32_SHR_S_I, 32, false),
            O::I32ShrU => self.shift(op::I32_SHR_U, op::I32_SHR_U_I, 32, false),
            O::I32Rotl => self.shift(op::I32_ROTL, op::I32_ROTL_I, 32, false),
            O::I32Rotr => self.shift(op::I32_ROTR, op::I32_ROTL_I, 32, true),
            _ => return false,
        }
        true
    }

    /// Integers of 64 bits.
    fn integers64(&mut self, operator: &Operator) -> bool {
        use Operator as O;
        match operator {
            O::I64Clz => self.unary(op::I64_CLZ),
            O::I64Ctz => self.unary(op::I64_CTZ),
            O::I64Popcnt => self.math(math::I64_POPCNT, 1),
            O::I64Add => self.binary(op::I64_ADD, op::I64_ADD_I, true, true),
            O::I64Sub => self.subtract(op::I64_SUB, op::I64_ADD_I, true),
            O::I64Mul => self.binary(op::I64_MUL, op::I64_MUL_I, true, true),
            O::I64DivS => self.binary(op::I64_DIV_S, 0, false, true),
            O::I64DivU => self.binary(op::I64_DIV_U, 0, false, true),
            O::I64RemS => self.binary(op::I64_REM_S, 0, false, true),
            O::I64RemU => self.binary(op::I64_REM_U, 0, false, true),
            O::I64And => self.binary(op::I64_AND, op::I64_AND_I, true, true),
            O::I64Or => self.binary(op::I64_OR, op::I64_OR_I, true, true),
            O::I64Xor => self.binary(op::I64_XOR, op::I64_XOR_I, true, true),
            O::I64Shl => self.shift(op::I64_SHL, op::I64_SHL_I, 64, false),
            O::I64ShrS => self.shift(op::I64_SHR_S, op::I64_SHR_S_I, 64, false),
            O::I64ShrU => self.shift(op::I64_SHR_U, op::I64_SHR_U_I, 64, false),
            O::I64Rotl => self.shift(op::I64_ROTL, op::I64_ROTL_I, 64, false),
            O::I64Rotr => self.shift(op::I64_ROTR, op::I64_ROTL_I, 64, true),
            _ => return false,
        }
        true
    }

    /// From one type to another.
    fn conversions(&mut self, operator: &Operator) -> bool {
        use Operator as O;
        match operator {
            O::I32WrapI64 => self.unary(op::I32_WRAP),
            O::I64ExtendI32U => (),
            O::I64ExtendI32S | O::I64Extend32S => self.unary(op::I64_EXTEND32),
            O::I32Extend8S => self.unary(op::I32_EXTEND8),
            O::I32Extend16S => self.unary(op::I32_EXTEND16),
            O::I64Extend8S => self.unary(op::I64_EXTEND8),
            O::I64Extend16S => self.unary(op::I64_EXTEND16),
            O::I32ReinterpretF32
            | O::I64ReinterpretF64
            | O::F32ReinterpretI32
            | O::F64ReinterpretI64 => (),
            _ => return false,
        }
        true
    }

    /// `rr` of two registers, or `ri` of a register and an immediate; 0 if there is none.
    fn binary(&mut self, rr: u8, ri: u8, commutes: bool, wide: bool) {
        let (mut l, mut r) = (self.stack[self.stack.len() - 2], self.stack[self.stack.len() - 1]);
        if commutes && matches!(l, Val::Const(_)) {
            (l, r) = (r, l);
        }
        if let (Val::Reg(l), Val::Const(value), true) = (l, r, ri != 0) {
            let value = if wide { value as i64 } else { value as i32 as i64 };
            if fits(value) {
                self.pop_n(2);
                self.emit(ri, &[l], value);
                return;
            }
        }
        self.pop_n(2);
        let l = self.materialise(l);
        let r = self.materialise(r);
        self.emit(rr, &[l, r], 0);
    }

    fn subtract(&mut self, rr: u8, add_i: u8, wide: bool) {
        if let Val::Const(value) = self.stack[self.stack.len() - 1] {
            let value = if wide { value as i64 } else { value as i32 as i64 };
            if fits(value.wrapping_neg()) {
                self.pop();
                let l = self.pop_reg();
                self.emit(add_i, &[l], -value);
                return;
            }
        }
        self.binary(rr, 0, false, wide);
    }

    /// Rotates and shifts take their count modulo the width, so an immediate always fits.
    fn shift(&mut self, rr: u8, ri: u8, bits: u64, reversed: bool) {
        if let Val::Const(value) = self.stack[self.stack.len() - 1] {
            self.pop();
            let l = self.pop_reg();
            let count = value & (bits - 1);
            let count = if reversed { (bits - count) & (bits - 1) } else { count };
            self.emit(ri, &[l], count as i64);
        } else {
            self.binary(rr, 0, false, false);
        }
    }

    fn unary(&mut self, op: u8) {
        let reg = self.pop_reg();
        self.emit(op, &[reg], 0);
    }

    fn compare(&mut self, cmp: Cmp, wide: bool) {
        let (mut l, mut r) = (self.stack[self.stack.len() - 2], self.stack[self.stack.len() - 1]);
        self.pop_n(2);
        let mut cmp = cmp;
        if matches!(l, Val::Const(_)) {
            (l, r) = (r, l);
            cmp = match cmp {
                Cmp::LtS => Cmp::GtS,
                Cmp::LtU => Cmp::GtU,
                Cmp::GtS => Cmp::LtS,
                Cmp::GtU => Cmp::LtU,
                Cmp::LeS => Cmp::GeS,
                Cmp::LeU => Cmp::GeU,
                Cmp::GeS => Cmp::LeS,
                Cmp::GeU => Cmp::LeU,
                cmp => cmp,
            };
        }
        let delta = if wide { op::I64_EQ - op::I32_EQ } else { 0 };
        if let (Val::Reg(reg), Val::Const(value)) = (l, r) {
            let k = if wide { value as i64 } else { value as i32 as i64 };
            let folded = match cmp {
                Cmp::Eq => Some((op::I32_EQ_I, k)),
                Cmp::Ne => Some((op::I32_NE_I, k)),
                Cmp::LtS => Some((op::I32_LT_S_I, k)),
                Cmp::LtU => Some((op::I32_LT_U_I, k)),
                Cmp::GtS => Some((op::I32_GT_S_I, k)),
                Cmp::GtU => Some((op::I32_GT_U_I, k)),
                Cmp::LeS => k.checked_add(1).map(|k| (op::I32_LT_S_I, k)),
                Cmp::GeS => k.checked_sub(1).map(|k| (op::I32_GT_S_I, k)),
                Cmp::LeU if k != -1 => k.checked_add(1).map(|k| (op::I32_LT_U_I, k)),
                Cmp::GeU if k != 0 => k.checked_sub(1).map(|k| (op::I32_GT_U_I, k)),
                _ => None,
            };
            if let Some((op, k)) = folded.filter(|folded| fits(folded.1)) {
                self.emit(op + delta, &[reg], k);
                return;
            }
        }
        let (l, r) = (self.materialise(l), self.materialise(r));
        let (op, l, r) = match cmp {
            Cmp::Eq => (op::I32_EQ, l, r),
            Cmp::Ne => (op::I32_NE, l, r),
            Cmp::LtS => (op::I32_LT_S, l, r),
            Cmp::LtU => (op::I32_LT_U, l, r),
            Cmp::GtS => (op::I32_LT_S, r, l),
            Cmp::GtU => (op::I32_LT_U, r, l),
            Cmp::LeS => (op::I32_LE_S, l, r),
            Cmp::LeU => (op::I32_LE_U, l, r),
            Cmp::GeS => (op::I32_LE_S, r, l),
            Cmp::GeU => (op::I32_LE_U, r, l),
        };
        self.emit(op + delta, &[l, r], 0);
    }

    pub(super) fn eqz(&mut self, wide: bool) {
        if let (false, Some(&Val::Reg(reg))) = (wide, self.stack.last()) {
            if reg >= self.n_locals
                && self.insts.last().is_some_and(|last| last.def == reg && is_compare(last.op))
            {
                let at = self.insts.len() - 1;
                if invert(&mut self.insts[at]) {
                    return;
                }
            }
        }
        let reg = self.pop_reg();
        self.emit(if wide { op::I64_EQ_I } else { op::I32_EQ_I }, &[reg], 0);
    }

    fn math(&mut self, number: u8, n: usize) {
        let regs = self.pop_regs(n);
        self.emit(op::MATH, &[regs[0], regs[n - 1]], 0);
        let at = self.insts.len() - 1;
        self.insts[at].x = number;
    }
}

/// The function of `math`, and its number of operands.
fn float(operator: &Operator) -> Option<(u8, usize)> {
    use Operator as O;
    Some(match operator {
        O::F32Eq => (math::F32_EQ, 2),
        O::F32Ne => (math::F32_NE, 2),
        O::F32Lt => (math::F32_LT, 2),
        O::F32Gt => (math::F32_GT, 2),
        O::F32Le => (math::F32_LE, 2),
        O::F32Ge => (math::F32_GE, 2),
        O::F64Eq => (math::F64_EQ, 2),
        O::F64Ne => (math::F64_NE, 2),
        O::F64Lt => (math::F64_LT, 2),
        O::F64Gt => (math::F64_GT, 2),
        O::F64Le => (math::F64_LE, 2),
        O::F64Ge => (math::F64_GE, 2),
        O::F32Abs => (math::F32_ABS, 1),
        O::F32Neg => (math::F32_NEG, 1),
        O::F32Ceil => (math::F32_CEIL, 1),
        O::F32Floor => (math::F32_FLOOR, 1),
        O::F32Trunc => (math::F32_TRUNC, 1),
        O::F32Nearest => (math::F32_NEAREST, 1),
        O::F32Sqrt => (math::F32_SQRT, 1),
        O::F32Add => (math::F32_ADD, 2),
        O::F32Sub => (math::F32_SUB, 2),
        O::F32Mul => (math::F32_MUL, 2),
        O::F32Div => (math::F32_DIV, 2),
        O::F32Min => (math::F32_MIN, 2),
        O::F32Max => (math::F32_MAX, 2),
        O::F32Copysign => (math::F32_COPYSIGN, 2),
        O::F64Abs => (math::F64_ABS, 1),
        O::F64Neg => (math::F64_NEG, 1),
        O::F64Ceil => (math::F64_CEIL, 1),
        O::F64Floor => (math::F64_FLOOR, 1),
        O::F64Trunc => (math::F64_TRUNC, 1),
        O::F64Nearest => (math::F64_NEAREST, 1),
        O::F64Sqrt => (math::F64_SQRT, 1),
        O::F64Add => (math::F64_ADD, 2),
        O::F64Sub => (math::F64_SUB, 2),
        O::F64Mul => (math::F64_MUL, 2),
        O::F64Div => (math::F64_DIV, 2),
        O::F64Min => (math::F64_MIN, 2),
        O::F64Max => (math::F64_MAX, 2),
        O::F64Copysign => (math::F64_COPYSIGN, 2),
        O::F32DemoteF64 => (math::F32_DEMOTE, 1),
        O::F64PromoteF32 => (math::F64_PROMOTE, 1),
        O::F32ConvertI32S => (math::F32_FROM_I32_S, 1),
        O::F32ConvertI32U => (math::F32_FROM_I32_U, 1),
        O::F32ConvertI64S => (math::F32_FROM_I64_S, 1),
        O::F32ConvertI64U => (math::F32_FROM_I64_U, 1),
        O::F64ConvertI32S => (math::F64_FROM_I32_S, 1),
        O::F64ConvertI32U => (math::F64_FROM_I32_U, 1),
        O::F64ConvertI64S => (math::F64_FROM_I64_S, 1),
        O::F64ConvertI64U => (math::F64_FROM_I64_U, 1),
        O::I32TruncF32S => (math::I32_FROM_F32_S, 1),
        O::I32TruncF32U => (math::I32_FROM_F32_U, 1),
        O::I32TruncF64S => (math::I32_FROM_F64_S, 1),
        O::I32TruncF64U => (math::I32_FROM_F64_U, 1),
        O::I64TruncF32S => (math::I64_FROM_F32_S, 1),
        O::I64TruncF32U => (math::I64_FROM_F32_U, 1),
        O::I64TruncF64S => (math::I64_FROM_F64_S, 1),
        O::I64TruncF64U => (math::I64_FROM_F64_U, 1),
        O::I32TruncSatF32S => (math::I32_SAT_F32_S, 1),
        O::I32TruncSatF32U => (math::I32_SAT_F32_U, 1),
        O::I32TruncSatF64S => (math::I32_SAT_F64_S, 1),
        O::I32TruncSatF64U => (math::I32_SAT_F64_U, 1),
        O::I64TruncSatF32S => (math::I64_SAT_F32_S, 1),
        O::I64TruncSatF32U => (math::I64_SAT_F32_U, 1),
        O::I64TruncSatF64S => (math::I64_SAT_F64_S, 1),
        O::I64TruncSatF64U => (math::I64_SAT_F64_U, 1),
        _ => return None,
    })
}
